'use strict';
/*
 * The order of things: keys, checkpoints, then, when asked, entries. Nothing is believed of the server but what keys have signed.
 */
(function (T) {
  const { at, el, fill } = T;
  const PINS = 'tumar.pins.1';
  const PARTIES = ['A', 'B', 'C'];

  const state = { source: null, index: null, keys: null, logs: [], findings: [], requests: null, token: '', run: 0 };

  const pinsText = () => {
    try {
      return localStorage.getItem(PINS) || '';
    } catch {
      return '';
    }
  };

  const isHalf = (half) => /^\d{4}h[12]$/.test(half);

  /** @returns {object} logs.json in its form; throws otherwise */
  function parseIndex(bytes) {
    const index = JSON.parse(T.text(bytes));
    const nodes = index.nodes;
    const good = typeof index.deployment === 'string' && Array.isArray(nodes) && Array.isArray(index.witnesses)
      && nodes.map(({ party }) => party).sort().join() === PARTIES.join()
      && nodes.every(({ halves }) => Array.isArray(halves) && halves.every(isHalf));
    if (!good) throw new Error('not a list of three logs');
    nodes.sort((a, b) => a.party.localeCompare(b.party));
    return index;
  }

  /** Pins by name and type. */
  async function parsePins(text) {
    const pins = new Map();
    for (const line of text.split('\n').map((part) => part.trim()).filter((part) => part && !part.startsWith('#'))) {
      const key = await T.parseLogKey(line).catch(() => T.parseCosigner(line));
      pins.set(`${key.type} ${key.name}`, key);
    }
    return pins;
  }

  /** The keys to verify with, a pinned one before any that is said; with a finding for each that is said otherwise. */
  async function chooseKeys(index, pins) {
    const keys = { log: {}, cosigner: {}, witnesses: [], rows: [] };
    const findings = [];
    const choose = (key, role, node) => {
      const pin = pins.get(`${key.type} ${key.name}`);
      const isNode = node && [...pins.values()].some((other) => other.type === key.type && /^(log|witness)\.[abc]\./.test(other.name));
      if (pin && !T.same(pin.key, key.key)) {
        findings.push({ level: 'alarm', node, rule: 'KEY', text: `${role}: another key than the one pinned for ${key.name}.` });
      } else if (!pin && isNode) {
        findings.push({ level: 'alarm', node, rule: 'KEY', text: `${role}: the name ${key.name} is not among the pinned keys.` });
      }
      keys.rows.push({ role, key: pin || key, pinned: Boolean(pin) });
      return pin || key;
    };
    for (const { party, log, cosigner } of index.nodes) {
      keys.log[party] = choose(await T.parseLogKey(log), `Log of node ${party}`, party);
      keys.cosigner[party] = choose(await T.parseCosigner(cosigner), `Cosigner of node ${party}`, party);
    }
    for (const witness of index.witnesses) keys.witnesses.push(choose(await T.parseCosigner(witness), 'Witness', ''));
    const distinct = new Set([...Object.values(keys.log), ...Object.values(keys.cosigner), ...keys.witnesses].map(({ key }) => T.hex(key)));
    if (distinct.size !== 6 + keys.witnesses.length) findings.push({ level: 'alarm', node: '', rule: 'KEY', text: 'One key stands for two names: who signs must be different.' });
    if (keys.rows.some(({ pinned }) => !pinned)) {
      findings.push({ level: 'note', node: '', rule: 'PINS', text: 'Not all keys are pinned: compare those below with what the operators publish.' });
    }
    return { keys, findings };
  }

  const allFindings = () => [...state.findings, ...state.logs.flatMap((log) => [...log.findings, ...(log.entryFindings || [])]), ...(state.reconciled?.findings || [])];

  function count(findings) {
    const alarms = findings.filter(({ level }) => level === 'alarm');
    const nodes = [...new Set(alarms.map(({ node }) => node).filter(Boolean))].sort();
    const where = nodes.length ? ` at ${T.and(nodes.map((node) => `node ${node}`))}` : '';
    return `${T.many(alarms.length, 'rule is broken', 'rules are broken')}${where}.`;
  }

  function summary({ agreed, pending, partial, alone }) {
    const more = [pending && `${T.many(pending, 'is', 'are')} too new to compare, or at the edge of what is kept`, partial && `${T.many(partial, 'was', 'were')} refused or failed before all three were asked`,
      alone && `${T.many(alone, 'stands', 'stand')} in one log alone, as an auditor\u2019s or a person\u2019s look does`].filter(Boolean);
    return `The three logs tell one story: ${T.many(agreed, 'request')} ${agreed === 1 ? 'stands' : 'stand'} in all three alike${more.length ? `; ${T.and(more)}` : ''}.`;
  }

  /** So that a copy of last month is not taken for today's. */
  const newest = () => {
    const time = Math.max(...state.logs.map((log) => log.time || 0));
    return time ? `The newest cosignature is of ${T.day(time)}.` : '';
  };

  function conclude() {
    const findings = allFindings();
    if (findings.some(({ level }) => level === 'alarm')) T.showVerdict('alarm', 'ALARM', count(findings), findings);
    else if (state.reconciled) T.showVerdict('good', 'AGREEMENT', `${summary(state.reconciled)} ${newest()}`, findings);
    else {
      const seen = state.logs.every(({ continues, seen: old }) => continues || !old) ? ' Nothing speaks against what this browser saw before.' : '';
      T.showVerdict('calm', 'CHECKPOINTS IN ORDER', `The checkpoints are signed by their logs and cosigned by the others.${seen} ${newest()} The entries are not read yet, so the logs are not compared with each other.`, findings);
    }
    T.showLogs(state.logs, findings);
  }

  function fail(rule, text) {
    state.findings = [{ level: 'alarm', node: '', rule, text }];
    T.showVerdict('alarm', 'ALARM', text, state.findings);
  }

  function showHalves() {
    const halves = [...new Set(state.index.nodes.flatMap(({ halves }) => halves))].sort().reverse();
    const chosen = at('half').value || halves[0];
    fill(at('half'), halves.map((half, place) => el('option', { value: half, selected: half === chosen }, place ? half : `${half} (newest)`)));
  }

  function enableSearch(isReady) {
    at('rq').disabled = !isReady;
    at('find').disabled = !isReady;
    at('search-status').textContent = isReady ? '' : 'Possible when the entries have been read.';
    fill(at('search-body'));
  }

  /** Reads keys and checkpoints, and the entries where they can be had. */
  async function check() {
    const run = state.run += 1;
    Object.assign(state, { logs: [], findings: [], reconciled: null, requests: null, asked: Math.floor(Date.now() / 1000) });
    T.showVerdict('busy', 'CHECKING', 'Reading the three checkpoints.');
    T.clearUses();
    enableSearch(false);
    at('entries-status').textContent = '';
    try {
      const bytes = await state.source.get('logs.json', { fresh: true });
      state.index = parseIndex(bytes || new Uint8Array(0));
      const { keys, findings } = await chooseKeys(state.index, await parsePins(pinsText()));
      Object.assign(state, { keys, findings });
    } catch (error) {
      fail('INDEX', `The list of logs cannot be read: ${error.message}.`);
      return;
    }
    at('deployment').textContent = state.index.deployment;
    T.showKeys(state.keys.rows);
    showHalves();
    const half = at('half').value;
    const logs = half ? await Promise.all(state.index.nodes.map(({ party, halves }) => T.readLog(state.source, party, half, halves.includes(half), state.keys))) : [];
    if (run !== state.run) return;
    if (!half) {
      fail('INDEX', 'No node has a log.');
      return;
    }
    state.logs = logs;
    conclude();
    if (state.source.isMirror || state.token) await readAll();
  }

  /** Shows how far it is; says it aloud at each quarter only. */
  function progressOf(total) {
    let [done, said] = [0, 0];
    return (more) => {
      done += more;
      at('progress').value = total ? done / total : 1;
      at('progress-label').textContent = `${T.count(done)} of ${T.many(total, 'entry', 'entries')} checked`;
      const quarter = Math.floor(done / total * 4);
      if (quarter > said && quarter < 4) {
        said = quarter;
        at('entries-status').textContent = `${quarter * 25} % checked`;
      }
    };
  }

  /** Up to when the logs must have it all: when they were asked where they are live, when the last was cosigned where they are a copy. */
  function until() {
    const newest = Math.max(...state.logs.map(({ time }) => time || 0));
    return state.source.isMirror || !state.token ? newest : Math.max(newest, state.asked);
  }

  async function readAll() {
    const run = state.run;
    const readable = state.logs.filter(({ tiles }) => tiles);
    const began = performance.now();
    const progress = progressOf(readable.reduce((sum, { size }) => sum + size, 0));
    at('token-error').textContent = '';
    at('reading').hidden = false;
    at('read').disabled = true;
    try {
      for (const log of readable) await T.readEntries(state.source, log, state.token, progress);
    } catch (error) {
      if (run === state.run) notRead(readable, error);
      return;
    } finally {
      if (run === state.run) {
        at('reading').hidden = true;
        at('read').disabled = false;
      }
    }
    if (run === state.run) showAll(performance.now() - began);
  }

  function notRead(logs, error) {
    for (const log of logs) Object.assign(log, { entries: null, entryFindings: [] });
    if (error.kind === 'refused') {
      state.token = '';
      at('token-error').textContent = 'The token was refused. It may be past its time, or not an auditor\u2019s.';
    } else {
      state.findings.push({ level: 'alarm', node: '', rule: 'NO_LOG', text: `The entries cannot be read: ${error.message}.` });
    }
    conclude();
  }

  function showAll(took) {
    const read = state.logs.filter(({ entries }) => entries);
    for (const log of read.filter(({ prunedTo }) => prunedTo)) {
      log.entryFindings.push({ level: 'note', node: log.party, rule: 'PRUNED', text: `Entries before ${T.count(log.prunedTo)} are no longer kept.` });
    }
    state.requests = T.pair(read);
    state.reconciled = read.length === 3 ? T.reconcile(state.requests, read, until()) : null;
    conclude();
    T.showUses(T.tally(state.requests));
    enableSearch(read.length > 0);
    const entries = read.reduce((sum, log) => sum + log.entries.length, 0);
    at('entries-status').textContent = `${T.many(entries, 'entry', 'entries')} of ${T.many(read.length, 'log')} read and checked in ${(took / 1000).toFixed(1)} s.${read.length === 3 ? '' : ' The logs cannot be compared: not all three could be read.'}`;
  }

  async function savePins(event) {
    event.preventDefault();
    try {
      await parsePins(at('pins').value);
    } catch {
      at('pin-status').textContent = 'Not saved: a line is not a verifier key.';
      return;
    }
    localStorage.setItem(PINS, at('pins').value.trim());
    at('pin-status').textContent = 'Pinned. Checked again with these keys.';
    await check();
  }

  function wire() {
    at('again').addEventListener('click', check);
    at('half').addEventListener('change', check);
    at('token-form').addEventListener('submit', (event) => {
      event.preventDefault();
      state.token = at('token').value.trim();
      at('token').value = '';
      // The answer stands at the top.
      readAll().then(() => state.token && at('verdict').scrollIntoView());
    });
    at('search-form').addEventListener('submit', (event) => {
      event.preventDefault();
      T.search(state, at('rq').value);
    });
    at('findings').addEventListener('click', ({ target }) => {
      if (!target.dataset.rq || !state.requests) return;
      at('rq').value = target.dataset.rq;
      at('search').scrollIntoView();
      at('rq').focus({ preventScroll: true });
      T.search(state, target.dataset.rq);
    });
    at('pin-form').addEventListener('submit', savePins);
    at('unpin').addEventListener('click', () => {
      localStorage.removeItem(PINS);
      at('pins').value = '';
      at('pin-status').textContent = 'No key is pinned any more.';
      check();
    });
    at('forget').addEventListener('click', () => {
      T.forgetSeen();
      at('pin-status').textContent = 'Forgotten. The checkpoints shown now are the first that this browser knows.';
      check();
    });
  }

  async function start() {
    state.source = T.source();
    at('pins').value = pinsText();
    at('origin').textContent = state.source.isMirror ? 'Opened from a mirrored folder on this computer. Nothing is fetched from elsewhere.'
      : `Served by ${location.host}. Nothing is fetched from elsewhere.`;
    if (state.source.isMirror) {
      at('token-form').hidden = true;
      at('entries-lead').textContent = 'This folder has the entries. The page reads every one, computes the roots of the three logs again, and compares the logs with each other.';
    }
    wire();
    const lack = await T.lacks();
    if (lack) T.showVerdict('alarm', 'CANNOT CHECK', lack);
    else await check();
  }

  start();
})(window.Tumar);
