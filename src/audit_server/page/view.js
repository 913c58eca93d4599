'use strict';
/*
 * What was found, put on the page: the verdict, the three logs, the keys. All text goes in as text, never as markup.
 */
(function (T) {
  const MOST = 12;
  const SVG = 'http://www.w3.org/2000/svg';

  /** The rules, as a person reads them. */
  T.RULES = {
    INDEX: 'the list of logs must be readable', KEY: 'a pinned key must not change', NO_LOG: 'each log must be readable',
    BAD_SIGNATURE: 'a log must sign its own checkpoint', UNDER_COSIGNED: 'the others must cosign', WITNESS: 'outside witnesses should cosign',
    REWOUND: 'a log must not shrink', FORK: 'the past must not change', UNPROVEN: 'the past should be shown not to change',
    GAP: 'entries must be there', ENTRY_CHANGED: 'an entry must be the one in the tree', ROOT: 'hashes must lead to the signed root',
    SCHEMA: 'nothing outside the closed schema', SEARCH_UNAPPROVED: 'a search needs two approvals', MISSING: 'no use may be hidden',
    EXTRA: 'no use may be invented', DIFFERENT: 'all three must tell the same', ADMITTED_TWICE: 'a request is admitted once',
    LATE: 'all three enter it at once', HALF: 'a log each half-year', PRUNED: 'old entries may go', PINS: 'keys should be pinned',
  };

  function make(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes || {})) {
      if (typeof value === 'function') node.addEventListener(name, value);
      else if (value !== undefined && value !== false) node.setAttribute(name, value === true ? '' : value);
    }
    node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
    return node;
  }
  T.el = (tag, attributes, ...children) => make(document.createElement(tag), attributes, children);
  T.svg = (tag, attributes, ...children) => make(document.createElementNS(SVG, tag), attributes, children);
  T.at = (id) => document.getElementById(id);
  T.fill = (node, ...children) => node.replaceChildren(...children.flat(Infinity).filter(Boolean));
  const { el, at, fill } = T;

  /** A whole number in groups of three. */
  T.count = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, '\u202f');
  T.many = (number, one, more = `${one}s`) => `${T.count(number)} ${number === 1 ? one : more}`;
  const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
  const two = (number) => String(number).padStart(2, '0');
  T.date = (date) => `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}`;
  T.clock = (date) => `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}`;
  /** @param {number} unix seconds */
  T.day = (unix) => `${T.date(new Date(unix * 1000))}, ${T.clock(new Date(unix * 1000))} UTC`;
  const seconds = (unix) => `${T.day(unix).slice(0, -4)}:${two(new Date(unix * 1000).getUTCSeconds())} UTC`;

  /** A button that copies; where the browser does not let it, the text is selected for the reader to copy. */
  T.copyButton = (text, what, target) => {
    const button = el('button', { type: 'button', class: 'small', 'aria-label': `Copy ${what}` }, 'Copy');
    button.addEventListener('click', async () => {
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = 'Copied';
      } catch {
        getSelection().selectAllChildren(target);
        button.textContent = 'Selected';
      }
      setTimeout(() => { button.textContent = 'Copy'; }, 2000);
    });
    return button;
  };

  function findingRow({ node, rule, text, entry, rq }) {
    const where = rq ? 'no entry' : node ? 'whole log' : '';
    return el('li', {},
      el('b', {}, node ? `Node ${node}` : 'This page'),
      el('span', {}, entry === undefined ? where : `entry ${T.count(entry)}`),
      el('span', { class: 'rule' }, el('code', {}, `rule ${rule}`), el('small', {}, T.RULES[rule])),
      el('span', { class: 'text' }, text),
      rq && el('span', { class: 'rq' }, el('code', {}, rq), ' ',
        el('button', { type: 'button', class: 'small', 'data-rq': rq, 'aria-label': `Show request ${rq.slice(0, 12)}` }, 'Show')));
  }

  function findingList(findings, label) {
    const list = (some) => el('ul', { class: 'found' }, some.map(findingRow));
    const rest = findings.slice(MOST);
    return el('div', { role: 'group', 'aria-label': label }, list(findings.slice(0, MOST)),
      rest.length ? el('details', {}, el('summary', {}, `${T.count(rest.length)} more`), list(rest.slice(0, 500))) : null);
  }

  /**
   * The large word. An alarm interrupts a screen reader, all else waits its turn.
   *
   * @param {'busy'|'calm'|'good'|'alarm'} state
   */
  T.showVerdict = (state, word, text, findings = []) => {
    const alarms = findings.filter(({ level }) => level === 'alarm');
    const notes = findings.filter(({ level }) => level === 'note');
    at('verdict').dataset.state = state;
    const said = [el('h2', { id: 'verdict-word' }, word), el('p', { id: 'verdict-text' }, text)];
    const [full, empty] = state === 'alarm' ? [at('alarm'), at('calm')] : [at('calm'), at('alarm')];
    if (full.textContent !== word + text) fill(full, said);
    fill(empty);
    fill(at('findings'), alarms.length ? findingList(alarms, 'Broken rules') : null,
      notes.length ? el('details', { class: 'notes' }, el('summary', {}, T.many(notes.length, 'remark')), findingList(notes, 'Remarks')) : null);
    document.title = `${word.toLowerCase().replace(/^./, (c) => c.toUpperCase())} \u2013 Tumar access logs`;
  };

  function cosignerItem({ name, state, time, isPeer }) {
    if (state === 'good') return el('li', {}, name, ' ', el('span', { class: 'when' }, seconds(time)));
    const word = state === 'false' ? 'false cosignature' : 'has not cosigned';
    return el('li', {}, el('span', { class: isPeer || state === 'false' ? 'bad-mark' : '' }, `${name}: ${word}`));
  }

  function rootItem(log) {
    const full = T.toBase64(log.root);
    const code = el('code', {}, full);
    return [el('details', { class: 'root' }, el('summary', {}, el('code', {}, `${full.slice(0, 12)}\u2026`)), code, ' ',
      T.copyButton(full, `root of log ${log.party}`, code))];
  }

  function before({ seen, continues, signed }) {
    if (!signed) return 'not compared';
    if (!seen) return 'first seen now by this browser';
    const what = `${T.many(seen.size, 'entry', 'entries')} seen on ${T.day(seen.at)}`;
    return continues ? `continues the ${what}` : el('span', { class: 'bad-mark' }, `not shown to continue the ${what}`);
  }

  /** @param {'good'|'alarm'|'part'} state */
  function nodeCard(log, state) {
    const words = { good: '\u2713 in order', part: 'checkpoint in order', alarm: '\u26A0 alarm' };
    const note = log.note && el('pre', { tabindex: '0', 'aria-label': `Checkpoint of node ${log.party}` }, log.note);
    return el('article', { class: 'node', 'data-node': log.party, 'data-state': state === 'part' ? 'good' : state, 'aria-labelledby': `node-${log.party}` },
      el('header', {}, el('h3', { id: `node-${log.party}` }, `Node ${log.party}`), el('span', { class: 'state' }, words[state])),
      log.root ? [
        el('p', { class: 'size' }, T.count(log.size), ' ', el('small', {}, log.size === 1 ? 'entry' : 'entries')),
        el('dl', {},
          el('dt', {}, 'Root'), el('dd', {}, rootItem(log)),
          el('dt', {}, 'Signed'), el('dd', {}, log.signed ? 'by the log\u2019s key' : el('span', { class: 'bad-mark' }, 'not by the log\u2019s key')),
          el('dt', {}, 'Cosigned'), el('dd', {}, el('ul', {}, log.cosigners.map(cosignerItem))),
          el('dt', {}, 'Before'), el('dd', {}, before(log)),
          el('dt', {}, 'Entries'), el('dd', {}, log.entries ? `${T.count(log.entries.length)} read, they lead to the root` : 'not read yet')),
        el('details', {}, el('summary', {}, 'Checkpoint as signed'), note, T.copyButton(log.note, `checkpoint of node ${log.party}`, note)),
      ] : el('p', {}, log.entries ? 'No log of this half-year.' : 'No checkpoint that can be read.'));
  }

  /** Which of the three are named by an alarm. */
  T.showLogs = (logs, findings) => {
    const accused = new Set(findings.filter(({ level }) => level === 'alarm').map(({ node }) => node));
    fill(at('trio'), logs.map((log) => nodeCard(log, accused.has(log.party) ? 'alarm' : log.entries ? 'good' : 'part')));
    for (const { party } of logs) at(`corner-${party}`).setAttribute('class', `corner ${accused.has(party) ? 'bad' : 'good'}`);
    for (const pair of ['AB', 'BC', 'CA']) {
      const isBad = [...pair].some((party) => accused.has(party));
      at(`edge-${pair}`).setAttribute('class', `edge ${isBad ? 'bad' : 'good'}`);
    }
  };

  /** @param {{role: string, key: object, pinned: boolean}[]} rows */
  T.showKeys = (rows) => {
    const some = rows.filter(({ pinned }) => pinned).length;
    const lead = some === rows.length ? 'All are pinned: they are the ones that you once checked.'
      : `${some ? `${some} of ${rows.length} are pinned.` : 'None is pinned.'} The others come from where this page came from. Compare them with what the operators publish, then pin them.`;
    at('keys-lead').textContent = lead;
    fill(at('keys-body'), el('table', { class: 'key-table' },
      el('caption', {}, 'Verifier keys, as C2SP writes them'),
      el('thead', {}, el('tr', {}, ['Whose', 'Key', 'Pinned'].map((text) => el('th', { scope: 'col' }, text)))),
      el('tbody', {}, rows.map(({ role, key, pinned }) => {
        const code = el('code', {}, key.text);
        return el('tr', {}, el('th', { scope: 'row' }, role), el('td', {}, el('div', { class: 'key' }, code, T.copyButton(key.text, `key: ${role}`, code))),
          el('td', {}, pinned ? 'pinned' : 'not pinned'));
      }))));
  };
})(window.Tumar);
