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
    ['approvals', 'number of approvals'], ['policy', 'policy file']];
  /** How a node ends that has lost sight of the others: these may have completed the same request. */
  const LINKS = ['PEER_LOST', 'PEER_BROKEN', 'RUN_FAILED', 'CANCELLED'].map((reason) => `error:${reason}`);

  const and = (words) => (words.length > 1 ? `${words.slice(0, -1).join(', ')} and ${words.at(-1)}` : words[0]);
  T.and = and;

  /** @returns {Map<string, {rq: string, in: {A: object[], B: object[], C: object[]}}>} by request */
  T.pair = (logs) => {
    const requests = new Map();
    for (const { party, entries } of logs) {
      for (const entry of entries) {
        if (T.isCount(entry)) continue;
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

  /** The last time that a node admitted it: what has failed may be admitted anew. */
  const admitOf = (entries) => entries.findLast(({ event }) => event === 'admit');
  const denyOf = (entries) => entries.find(({ event }) => event === 'deny');
  const isDone = (entries) => entries.some(({ result }) => result === 'completed' || result === 'returned');
  const named = (entries) => entries.filter(({ event }) => event === 'candidate').length;

  /** What was asked for is the same wherever it was admitted, and was admitted everywhere at nearly the same time. */
  function compareAsked(admits, report) {
    const present = Object.keys(admits);
    for (const [member, word] of SAME) {
      const odd = oddOne(Object.fromEntries(present.map((party) => [party, admits[party][member]])));
      // New policies do not come into force at the same moment everywhere.
      const level = member === 'policy' ? 'note' : 'alarm';
      for (const party of odd?.odd ?? []) {
        const others = present.filter((other) => !odd.odd.includes(other)).map((other) => `node ${other}`);
        const usual = others.length && member !== 'policy' ? `; ${and(others)} say ${odd.usual || 'none'}` : '';
        report(level, 'DIFFERENT', party, `Another ${word}: ${admits[party][member] || 'none'}${usual}.`, admits[party].index);
      }
    }
    const byTime = present.sort((a, b) => admits[a].minute - admits[b].minute);
    const minutes = byTime.map((party) => admits[party].minute);
    const apart = minutes.at(-1) - minutes[0];
    if (apart > PENDING) {
      // Of three, the one that is further from the middle one.
      const odd = minutes.length === 3 && minutes[1] - minutes[0] > minutes[2] - minutes[1] ? byTime[0] : byTime.at(-1);
      report('alarm', 'LATE', odd, `Admitted ${apart} minutes apart from another log.`, admits[odd].index);
    }
  }

  /** Admitted by all: it ends alike. */
  function compareEnds(request, admits, report) {
    for (const party of PARTIES.filter((one) => !isDone(request.in[one]))) {
      const failed = request.in[party].find(({ result }) => result.startsWith('error:'));
      const level = failed && !LINKS.includes(failed.result) ? 'alarm' : 'note';
      report(level, 'DIFFERENT', party, `${failed ? failed.result : 'Still open'} here, completed elsewhere.`, admits[party].index);
    }
    const odd = oddOne(Object.fromEntries(PARTIES.map((party) => [party, named(request.in[party])])));
    for (const party of PARTIES.every((one) => isDone(request.in[one])) && odd ? odd.odd : []) {
      report('alarm', 'DIFFERENT', party, `${T.many(named(request.in[party]), 'person', 'people')} named here, ${odd.usual} elsewhere.`, admits[party].index);
    }
  }

  /** A request that some node says was carried out, and that these have not admitted. */
  function reportLacking(request, lacking, report) {
    const having = PARTIES.filter((party) => !lacking.includes(party));
    if (having.length === 1) {
      const [party] = having;
      report('alarm', 'EXTRA', party, `A use that neither node ${lacking[0]} nor node ${lacking[1]} has admitted.`, admitOf(request.in[party]).index);
      return;
    }
    const shown = having.map((party) => `node ${party} has it as entry ${T.count(admitOf(request.in[party]).index)}`);
    for (const party of lacking) {
      const denied = denyOf(request.in[party]);
      if (denied) report('alarm', 'DIFFERENT', party, 'Refused here, and answered by the others.', denied.index);
      else report('alarm', 'MISSING', party, `A use is not admitted in this log: ${and(shown.length ? shown : ['it was carried out elsewhere'])}.`);
    }
  }

  function judge(request, lacking, done, report) {
    const admits = Object.fromEntries(PARTIES.map((party) => [party, admitOf(request.in[party])]).filter(([, admit]) => admit));
    if (lacking.length > 0) reportLacking(request, lacking, report);
    compareAsked(admits, report);
    if (done && lacking.length === 0) compareEnds(request, admits, report);
    for (const party of Object.keys(admits)) {
      const [opened, closed] = ['admit', 'close'].map((word) => request.in[party].filter(({ event }) => event === word).length);
      if (opened > closed + 1) report('note', 'ADMITTED_TWICE', party, 'Admitted while it was open; a restart may be why.', admits[party].index);
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
        judge(request, lacking, done, report);
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
