'use strict';
/*
 * One request: its entries in the three logs, each fetched again, and the proof that it stands under the signed root.
 *
 * entry bytes --leafHash--> leaf --checkInclusion with hashes from tiles--> the root of the checkpoint
 */
(function (T) {
  const { el, at, fill } = T;
  const MOST = 20;

  /** @returns {Promise<object>} the entry's text, and the proof with all its steps */
  T.prove = async (log, index, token) => {
    const bundle = Math.floor(index / T.WIDTH);
    const { width } = T.tilePath('entries', bundle, log.size);
    const bytes = T.unbundle(await log.tiles.file('entries', bundle, log.size, { token }), width)[index % T.WIDTH];
    const leaf = await T.leafHash(bytes);
    const checked = await T.checkInclusion(leaf, index, log.size, await log.tiles.inclusion(index), log.root);
    return { text: T.text(bytes), leaf, ...checked };
  };

  function stepsTable(log, index, proof) {
    const cell = (bytes) => el('td', {}, el('code', {}, T.hex(bytes)));
    const rows = proof.steps.map(({ sibling, left, hash }, step) => el('tr', {},
      el('th', { scope: 'row' }, String(step + 1)), el('td', {}, left ? 'left' : 'right'), cell(sibling), cell(hash)));
    return el('details', {}, el('summary', {}, `Proof, ${T.many(proof.steps.length, 'step')}`),
      el('ol', { class: 'plain' },
        el('li', {}, 'The entry as fetched: ', el('pre', { tabindex: '0', 'aria-label': 'Entry as fetched' }, proof.text)),
        el('li', {}, 'Its leaf is SHA-256(0x00, entry): ', el('code', {}, T.hex(proof.leaf))),
        el('li', {}, 'Each step is SHA-256(0x01, left, right) of the hash so far and its sibling from the tiles, which stands at the side said:')),
      el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': `Steps for entry ${index} of node ${log.party}` },
        el('table', {}, el('caption', {}, `From leaf ${T.count(index)} to the root of ${T.many(log.size, 'entry', 'entries')}`),
          el('thead', {}, el('tr', {}, ['Step', 'Side', 'Sibling', 'Hash after it'].map((text) => el('th', { scope: 'col' }, text)))),
          el('tbody', {}, rows))),
      el('p', {}, `Root in the checkpoint that node ${log.party} signed: `, el('code', {}, T.hex(log.root))));
  }

  function proofBox(log, brief, proof) {
    const claim = proof.good
      ? `\u2713 Proved: entry ${T.count(brief.index)} stands in the log of node ${log.party}, under the root that it signed.`
      : `\u26A0 Not proved: entry ${T.count(brief.index)} does not lead to the root that node ${log.party} signed.`;
    return el('div', { class: 'proof', 'data-state': proof.good ? 'good' : 'alarm', 'data-node': log.party },
      el('p', { class: 'claim' }, claim), proof.steps ? stepsTable(log, brief.index, proof) : null);
  }

  function entriesTable(request) {
    const rows = ['A', 'B', 'C'].flatMap((party) => (request.in[party].length ? request.in[party].map((entry) => el('tr', {},
      el('th', { scope: 'row' }, `Node ${party}`), el('td', { class: 'num' }, T.count(entry.index)), el('td', {}, T.day(entry.minute * 60)),
      el('td', {}, entry.result), el('td', {}, entry.bank), el('td', {}, entry.purpose), el('td', {}, [entry.action, entry.modalities].filter(Boolean).join(', '))))
      : [el('tr', {}, el('th', { scope: 'row' }, `Node ${party}`), el('td', { colspan: '6' }, el('span', { class: 'bad-mark' }, 'no entry')))]));
    return el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Entries of this request' },
      el('table', { id: 'request-table' }, el('caption', {}, 'Request ', el('code', {}, request.rq)),
        el('thead', {}, el('tr', {}, ['Log', 'Entry', 'Minute', 'Result', 'Bank', 'Purpose', 'Action'].map((text) => el('th', { scope: 'col' }, text)))),
        el('tbody', {}, rows)));
  }

  async function showRequest(state, request) {
    const body = at('search-body');
    fill(body, entriesTable(request));
    at('search-status').textContent = 'Proving.';
    let [good, all] = [0, 0];
    for (const log of state.logs) {
      for (const brief of request.in[log.party]) {
        const proof = await T.prove(log, brief.index, state.token).catch(() => ({ good: false }));
        all += 1;
        good += proof.good ? 1 : 0;
        body.append(proofBox(log, brief, proof));
      }
    }
    at('search-status').textContent = good === all ? `All ${T.many(all, 'entry', 'entries')} of this request proved.`
      : `${good} of ${T.many(all, 'entry', 'entries')} of this request proved.`;
  }

  /**
   * @param {object} state with logs, token and requests
   * @param {string} wanted the beginning of an `rq`
   */
  T.search = async (state, wanted) => {
    const text = wanted.trim().toLowerCase();
    fill(at('search-body'));
    if (!/^[0-9a-f]{6,64}$/.test(text)) {
      at('search-status').textContent = 'A request is 6 to 64 digits of 0-9 and a-f.';
      return;
    }
    const found = [];
    for (const request of state.requests.values()) {
      if (request.rq.startsWith(text) && found.push(request) > MOST) break;
    }
    if (found.length === 1) await showRequest(state, found[0]);
    else if (found.length === 0) at('search-status').textContent = 'No log has such a request.';
    else {
      at('search-status').textContent = found.length > MOST ? `More than ${MOST} requests begin so: give more digits.` : `${found.length} requests begin so. Choose one.`;
      fill(at('search-body'), el('ul', { class: 'choices' }, found.slice(0, MOST).map((request) => el('li', {},
        el('button', { type: 'button', class: 'small mono', click: () => showRequest(state, request) }, request.rq)))));
    }
  };
})(window.Tumar);
