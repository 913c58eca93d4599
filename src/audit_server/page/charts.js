'use strict';
/*
 * Counts: by bank and purpose over time, and refusals by reason. Every picture has its table; counts below five are withheld.
 */
(function (T) {
  const { el, svg, fill } = T;

  const REASONS = {
    TOKEN_SPENT: 'the token allows no more uses', RATE_LIMITED: 'too many requests of this bank', SUBJECT_LOCKED: 'the person is locked',
    SUBJECT_UNKNOWN: 'no such person is enrolled', SUBJECT_EXISTS: 'the person is enrolled already', PROOF_REPLAYED: 'a proof shown twice',
    REQUEST_ID_REUSED: 'another request had this id', REQUEST_IN_FLIGHT: 'the same request was under way', PURPOSE_NOT_ALLOWED: 'the policy does not allow this purpose',
  };

  const few = (count) => count > 0 && count < T.FEW;
  const shown = (count) => (few(count) ? `< ${T.FEW}` : T.count(count));

  /** What a column of time is called. */
  function binName(tally, at) {
    const date = T.minuteDate(tally.from + at * tally.step);
    if (tally.step < 24 * 60) return `${T.date(date)}, ${T.clock(date)}`;
    return tally.unit === 'week' ? `week of ${T.date(date)}` : T.date(date);
  }

  /** Bars in a box of width by height; a withheld count is an empty frame as high as the limit. */
  function bars(values, width, height, most) {
    const each = width / values.length;
    const gap = each > 3 ? 1 : each * 0.15;
    return values.map((value, at) => {
      if (value === 0) return null;
      const tall = Math.max((few(value) ? T.FEW : value) / most * height, 1);
      return svg('rect', { class: few(value) ? 'few' : 'fill', x: (at * each).toFixed(2), y: (height - tall).toFixed(2), width: Math.max(each - gap, 0.5).toFixed(2), height: tall.toFixed(2) });
    });
  }

  function niceMost(most) {
    const power = 10 ** Math.floor(Math.log10(most));
    return [1, 2, 5, 10].map((factor) => factor * power).find((limit) => limit >= most);
  }

  /** All requests over time, with axes. */
  function overview(tally) {
    const [width, height, left] = [900, 180, 46];
    const most = niceMost(Math.max(T.FEW, ...tally.total.bins));
    const peak = tally.total.bins.indexOf(Math.max(...tally.total.bins));
    const label = `All requests by ${tally.unit}, from ${binName(tally, 0)} to ${binName(tally, tally.bins - 1)}. Most: ${shown(tally.total.bins[peak])}, ${binName(tally, peak)}.`;
    const lines = [0.5, 1].map((part) => [
      svg('line', { class: 'grid', x1: left, x2: width, y1: height - height * part, y2: height - height * part }),
      svg('text', { x: left - 8, y: height - height * part + 4, 'text-anchor': 'end' }, T.count(most * part)),
    ]);
    const ends = [svg('text', { x: left, y: height + 18 }, binName(tally, 0)),
      svg('text', { x: width, y: height + 18, 'text-anchor': 'end' }, tally.bins > 1 ? binName(tally, tally.bins - 1) : '')];
    return svg('svg', { class: 'chart', viewBox: `0 -8 ${width} ${height + 32}`, role: 'img', 'aria-label': label }, lines,
      svg('g', { transform: `translate(${left} 0)` }, bars(tally.total.bins, width - left, height, most)),
      svg('line', { class: 'axis', x1: left, x2: width, y1: height, y2: height }), ends);
  }

  function usesTable(tally) {
    const most = Math.max(T.FEW, ...tally.rows.flatMap(({ bins }) => bins));
    const heads = [['Who asked'], ['Purpose'], ['Requests', 'num'], ['Refused', 'num'], [`By ${tally.unit}, one scale`, 'wide']];
    return el('table', { id: 'uses-table' },
      el('caption', {}, `Requests by bank and purpose, each counted once. Counts below ${T.FEW} are withheld (an empty bar): they could be one person.`),
      el('thead', {}, el('tr', {}, heads.map(([text, name]) => el('th', { scope: 'col', class: name }, text)))),
      el('tbody', {}, tally.rows.map((row) => el('tr', {},
        el('th', { scope: 'row' }, row.bank), el('td', {}, row.purpose),
        el('td', { class: 'num' }, shown(row.count)), el('td', { class: 'num' }, shown(row.refused)),
        el('td', { class: 'spark' }, svg('svg', { class: 'spark', viewBox: '0 0 300 32', preserveAspectRatio: 'none', 'aria-hidden': 'true', focusable: 'false' },
          bars(row.bins, 300, 31, most), svg('line', { class: 'axis', x1: 0, x2: 300, y1: 31.5, y2: 31.5 })))))));
  }

  /** The same numbers for who cannot see bars, or wants to copy them. */
  function numbersTable(tally) {
    const places = tally.total.bins.flatMap((count, at) => (count ? [at] : []));
    return el('details', {}, el('summary', {}, `All numbers, by ${tally.unit}`),
      el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': `Requests by ${tally.unit}` },
        el('table', { id: 'numbers-table' }, el('caption', {}, `Requests by ${tally.unit}, bank and purpose (UTC)`),
          el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, `Begin of ${tally.unit}`),
            tally.rows.map((row) => el('th', { scope: 'col', class: 'num' }, row.bank, el('br'), row.purpose)))),
          el('tbody', {}, places.map((at) => el('tr', {}, el('th', { scope: 'row' }, binName(tally, at)),
            tally.rows.map((row) => el('td', { class: 'num' }, shown(row.bins[at])))))))));
  }

  /** @param {object|null} tally of T.tally */
  T.showUses = (tally) => {
    if (!tally) {
      fill(T.at('uses-body'), el('p', { class: 'empty' }, 'No request stands in these logs.'));
      fill(T.at('refusals-body'), el('p', { class: 'empty' }, 'None.'));
      return;
    }
    fill(T.at('uses-body'), overview(tally), usesTable(tally), numbersTable(tally));
    const most = Math.max(T.FEW, ...tally.reasons.map(({ count }) => count));
    fill(T.at('refusals-body'), tally.reasons.length === 0 ? el('p', { class: 'empty' }, 'None.') : el('table', { id: 'refusals-table' },
      el('caption', {}, 'Requests with a genuine token that a node refused'),
      el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'Reason'), el('th', { scope: 'col', class: 'wide' }, 'In words'),
        el('th', { scope: 'col', class: 'num' }, 'Requests'), el('td', { class: 'wide' }))),
      el('tbody', {}, tally.reasons.map(({ reason, count }) => el('tr', {},
        el('th', { scope: 'row' }, el('code', {}, reason)), el('td', { class: 'wide' }, REASONS[reason] || ''), el('td', { class: 'num' }, shown(count)),
        el('td', { class: 'bar-cell wide' }, svg('svg', { viewBox: '0 0 300 12', preserveAspectRatio: 'none', 'aria-hidden': 'true', focusable: 'false' },
          svg('rect', { class: few(count) ? 'few' : 'fill', x: 0, y: 0, width: (few(count) ? T.FEW : count) / most * 300, height: 12 }))))))));
  };

  T.clearUses = () => {
    for (const id of ['uses-body', 'refusals-body']) {
      fill(T.at(id), el('p', { class: 'empty' }, 'Shown when the entries have been read.'));
    }
  };
})(window.Tumar);
