'use strict';
/*
 * One line of a log: a closed schema in canonical JSON. What has another member, or is written otherwise, is no entry.
 */
(function (T) {
  const MAX_BYTES = 1024;
  const REASON = '[A-Z][A-Z0-9_]{0,39}';
  const COUNT = '[1-9][0-9]{0,9}';
  const ACTIONS = ['enroll', 'verify', 'erase', 'lock', 'unlock', 'search', 'open_evidence', 'list_uses', 'read_log'];

  /** What says how often something happened, and is no request of its own: refusals without an entry, an answer given once more. */
  T.isCount = (entry) => entry.event === 'again' || entry.result.startsWith('unlogged:');

  /** What stands in one node's log alone: an auditor opened evidence at that node, a person looked at the own uses. */
  T.ALONE = new Set(['open_evidence', 'list_uses', 'read_log']);

  const digits = (bytes) => new RegExp(`^[0-9a-f]{${bytes * 2}}$`);
  const like = (pattern) => (value) => typeof value === 'string' && pattern.test(value);
  const whole = (value) => Number.isInteger(value) && value >= 0 && value < 2 ** 32;
  const EVENTS = {
    admit: /^admitted$/,
    close: new RegExp(`^(completed|error:${REASON})$`),
    deny: new RegExp(`^(denied:${REASON}|unlogged:${COUNT})$`),
    candidate: /^returned$/,
    again: new RegExp(`^answered:${COUNT}$`),
  };

  /** The members, in the order in which RFC 8785 writes them, each with its form. */
  const MEMBERS = {
    action: (value) => ACTIONS.includes(value),
    approvals: whole,
    commitment: like(digits(32)),
    event: (value) => Object.hasOwn(EVENTS, value),
    handle: like(digits(32)),
    minute: whole,
    modalities: (value) => ['[]', '["face"]', '["finger"]', '["face","finger"]'].includes(JSON.stringify(value)),
    policy: like(digits(32)),
    purpose: like(/^[a-z0-9_]{1,48}$/),
    relying_party: (value) => like(/^[a-z0-9-]+\/[a-z0-9-]+$/)(value) && value.length <= 64,
    result: (value) => typeof value === 'string',
    rq: like(digits(32)),
    salt: like(digits(16)),
    version: (value) => value === 2,
  };

  /**
   * @param {Uint8Array} bytes
   * @returns {object} the members; throws an Error that says which of them is wrong
   */
  T.parseEntry = (bytes) => {
    if (bytes.length > MAX_BYTES) throw new Error(`longer than ${MAX_BYTES} bytes`);
    let text;
    let value;
    try {
      text = T.text(bytes);
      value = JSON.parse(text);
    } catch {
      throw new Error('not JSON');
    }
    const names = Object.keys(MEMBERS);
    if (value === null || typeof value !== 'object' || Array.isArray(value)) throw new Error('not an object');
    const unknown = Object.keys(value).find((name) => !Object.hasOwn(MEMBERS, name));
    if (unknown !== undefined) throw new Error('a member that the schema does not have');
    for (const name of names) {
      if (!Object.hasOwn(value, name) || !MEMBERS[name](value[name])) throw new Error(`no good ${name}`);
    }
    const count = /^(?:unlogged|answered):([0-9]+)$/.exec(value.result);
    if (!EVENTS[value.event].test(value.result) || (count && !whole(Number(count[1])))) throw new Error('a result that does not go with the event');
    if (JSON.stringify(value, names) !== text) throw new Error('not canonical JSON');
    return value;
  };

  const strings = new Map();
  /** One string for many that are equal. */
  const once = (text) => strings.get(text) ?? (strings.set(text, text), text);

  /** What of an entry the tables need: a tenth of its size. */
  T.brief = (entry, index) => ({
    index,
    minute: entry.minute,
    event: once(entry.event),
    result: once(entry.result),
    bank: once(entry.relying_party),
    purpose: once(entry.purpose),
    action: once(entry.action),
    modalities: once(entry.modalities.join('+')),
    approvals: entry.approvals,
    policy: once(entry.policy),
    rq: once(entry.rq),
  });

  /** @returns {Uint8Array[]} the entries of a bundle, each with its length (two bytes, high one first) before it */
  T.unbundle = (bytes, width) => {
    const entries = [];
    let at = 0;
    while (entries.length < width) {
      if (at + 2 > bytes.length) throw new Error('cut short');
      const end = at + 2 + bytes[at] * 256 + bytes[at + 1];
      if (end > bytes.length) throw new Error('cut short');
      entries.push(bytes.subarray(at + 2, end));
      at = end;
    }
    // A full bundle may stand where a partial one was asked for.
    if (at !== bytes.length && width === T.WIDTH) throw new Error('something after the last entry');
    return entries;
  };

  /** @returns {Date} of the beginning of a minute */
  T.minuteDate = (minute) => new Date(minute * 60000);

  /** First and last moment of `2026h2`, in unix minutes. */
  T.halfSpan = (half) => {
    const [year, part] = [Number(half.slice(0, 4)), Number(half.slice(5))];
    const begin = Date.UTC(year, part === 1 ? 0 : 6);
    const end = part === 1 ? Date.UTC(year, 6) : Date.UTC(year + 1, 0);
    return [begin / 60000, end / 60000];
  };
})(window.Tumar);
