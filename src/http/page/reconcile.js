'use strict';
/*
 * Three logs beside each other: whoever hides, adds or changes a use at one node is given away by the other two.
 *
 * entries of A, B, C --pair by rq--> requests --reconcile--> findings
 *                                             --count-----> tables
 *
 * What must stand in all three logs is a request that some node says was carried out (`completed`, or a person named by a search):
 * no one node can do that. What was refused or failed on the way may stand in fewer.
 */
(function (T) {
  /** What arrives last may stand in one log and not yet in another, in minutes. */
  const PENDING = 2;
  /** Around midnight of 1 January and 1 July a request may stand in two halves, in minutes. */
  const BORDER = 3;
  const PARTIES = ['A', 'B', 'C'];
  const SAME = [['purpose', 'purpose'], ['bank', 'relying party'], ['action', 'action'], ['modalities', 'modalities'],
    ['approvals', 'number of approvals']];

  const and = (words) => (words.length > 1 ? `${words.slice(0, -1).join(', ')} and ${words.at(-1)}` : words[0]);
  T.and = and;

  /** @returns {Map<string, {rq: string, in: {A: object[], B: object[], C: object[]}}>} by request */
  T.pair = (logs) => {
    const requests = new Map();
    for (const { party, entries } of logs) {
      for (const entry of entries) {
        let request = requests.get(entry.rq);
        if (!request) {
          request = { rq: entry.rq, in: { A: [], B: [], C: [] } };
          requests.set(entry.rq, request);
        }
        request.in[party].push(entry);
      }
    }
    return requests;
  };

  /** The value that two of three say, and who says otherwise. */
  function oddOne(values) {
    const parties = Object.keys(values);
    const said = new Map();
    for (const party of parties) said.set(values[party], [...(said.get(values[party]) || []), party]);
    if (said.size < 2) return null;
    const [[usual, most]] = [...said].sort((a, b) => b[1].length - a[1].length);
    return { usual, odd: most.length > 1 ? parties.filter((party) => !most.includes(party)) : parties };
  }

  const admitOf = (entries) => entries.find(({ event }) => event === 'admit');
  const isDone = (entries) => entries.some(({ result }) => result === 'completed' || result === 'returned');

  /** What of one request the logs say otherwise. */
  function compareRequest(request, present, report) {
    const said = Object.fromEntries(present.map((party) => [party, request.in[party][0]]));
    for (const [member, word] of SAME) {
      const odd = oddOne(Object.fromEntries(present.map((party) => [party, said[party][member]])));
      for (const party of odd?.odd ?? []) {
        const others = present.filter((other) => !odd.odd.includes(other));
        const usual = others.length ? `; ${and(others.map((other) => `node ${other}`))} say ${odd.usual || 'none'}` : '';
        report('alarm', 'DIFFERENT', party, `Another ${word}: ${said[party][member] || 'none'}${usual}.`, said[party].index);
      }
    }
    const policies = oddOne(Object.fromEntries(present.map((party) => [party, said[party].policy])));
    for (const party of policies?.odd ?? []) report('note', 'POLICY', party, 'Decided by another policy file than at the other nodes.', said[party].index);
    const minutes = present.map((party) => said[party].minute);
    if (Math.max(...minutes) - Math.min(...minutes) > PENDING) {
      report('note', 'LATE', present[minutes.indexOf(Math.max(...minutes))], `Entered ${Math.max(...minutes) - Math.min(...minutes)} minutes apart.`,
        said[present[minutes.indexOf(Math.max(...minutes))]].index);
    }
  }

  /** A request that some node says was carried out, and that these have not admitted. */
  function reportLacking(request, lacking, report) {
    const having = PARTIES.filter((party) => !lacking.includes(party));
    if (having.length === 1 && lacking.length === 2) {
      const [party] = having;
      report('alarm', 'EXTRA', party, `A use that neither node ${lacking[0]} nor node ${lacking[1]} knows of.`, admitOf(request.in[party]).index);
      return;
    }
    const witnesses = having.map((party) => `node ${party} has it as entry ${T.count(admitOf(request.in[party]).index)}`);
    for (const party of lacking) {
      report('alarm', 'MISSING', party, `A use is not in this log: ${and(witnesses.length ? witnesses : ['another log has it'])}.`);
    }
  }

  /**
   * @param {Map} requests of T.pair
   * @param {object[]} logs all three, read
   * @param {number} until unix seconds up to which the logs were taken
   * @returns {{findings: object[], agreed: number, pending: number, partial: number, alone: number}}
   */
  T.reconcile = (requests, logs, until) => {
    const result = { findings: [], agreed: 0, pending: 0, partial: 0, alone: 0 };
    const [begin, end] = T.halfSpan(logs[0].half);
    const starts = Math.max(begin, ...logs.map((log) => (log.prunedTo && log.entries[0] ? log.entries[0].minute : begin)));
    for (const request of requests.values()) {
      const all = PARTIES.flatMap((party) => request.in[party]);
      const minutes = all.map(({ minute }) => minute);
      const [first, last] = [Math.min(...minutes), Math.max(...minutes)];
      const report = (level, rule, node, text, entry) => result.findings.push({ level, rule, node, text, entry, rq: request.rq });
      const atBorder = first < starts + BORDER || last >= end - BORDER;
      const isNew = (last + 1 + PENDING) * 60 > until;
      const present = PARTIES.filter((party) => request.in[party].length > 0);
      const done = PARTIES.some((party) => isDone(request.in[party]));
      const lacking = done ? PARTIES.filter((party) => !admitOf(request.in[party])) : [];
      if (all.some(({ action }) => T.ALONE.has(action)) && present.length === 1) result.alone += 1;
      else if ((present.length < 3 || lacking.length > 0) && (isNew || atBorder)) result.pending += 1;
      else {
        if (lacking.length > 0) reportLacking(request, lacking, report);
        if (present.length > 1) compareRequest(request, present, report);
        for (const party of present) {
          if (request.in[party].filter(({ event }) => event === 'admit').length > 1) {
            report('alarm', 'TWICE', party, 'One request admitted twice.', request.in[party].at(-1).index);
          }
        }
        if (present.length === 3) result.agreed += 1;
        else if (lacking.length === 0) result.partial += 1;
      }
    }
    return result;
  };

  /** Counts below this are withheld: they could be one person. */
  T.FEW = 5;

  const STEPS = [[60, 'hour'], [6 * 60, '6 hours'], [24 * 60, 'day'], [7 * 24 * 60, 'week']];

  /**
   * Requests by bank and purpose over time, each once, by the first entry that any log has of it.
   *
   * @returns {{unit: string, step: number, from: number, bins: number, rows: object[], reasons: object[], total: object}}
   */
  T.tally = (requests) => {
    const firsts = [];
    for (const request of requests.values()) {
      const all = PARTIES.flatMap((party) => request.in[party]);
      const first = all.reduce((least, entry) => (entry.minute < least.minute ? entry : least));
      firsts.push({ first, refusal: all.find(({ event }) => event === 'deny')?.result.slice(7) });
    }
    if (firsts.length === 0) return null;
    let [from, to] = [Infinity, 0];
    for (const { first } of firsts) {
      from = Math.min(from, first.minute);
      to = Math.max(to, first.minute);
    }
    const [step, unit] = STEPS.find(([length]) => (to - from) / length < 72) || STEPS.at(-1);
    // 1 January 1970 was a Thursday: weeks begin on Monday.
    const shift = unit === 'week' ? 4 * 24 * 60 : 0;
    from = Math.floor((from - shift) / step) * step + shift;
    const bins = Math.floor((to - from) / step) + 1;
    const empty = (name) => ({ ...name, count: 0, refused: 0, bins: new Array(bins).fill(0) });
    const rows = new Map();
    const reasons = new Map();
    const total = empty({});
    for (const { first, refusal } of firsts) {
      const name = `${first.bank} ${first.purpose}`;
      if (!rows.has(name)) rows.set(name, empty({ bank: first.bank, purpose: first.purpose }));
      for (const row of [rows.get(name), total]) {
        row.count += 1;
        row.refused += refusal ? 1 : 0;
        row.bins[Math.floor((first.minute - from) / step)] += 1;
      }
      if (refusal) reasons.set(refusal, (reasons.get(refusal) || 0) + 1);
    }
    return {
      unit, step, from, bins, total,
      rows: [...rows.values()].sort((a, b) => a.bank.localeCompare(b.bank) || b.count - a.count),
      reasons: [...reasons].map(([reason, count]) => ({ reason, count })).sort((a, b) => b.count - a.count),
    };
  };
})(window.Tumar);
