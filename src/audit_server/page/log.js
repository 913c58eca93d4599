'use strict';
/*
 * One node's log of half a year: its checkpoint, then all that stands under it.
 *
 * note --readLog--> signed, vouched for, a continuation of what was seen --readEntries--> entries that lead to the signed root
 *
 * A finding is { level: 'alarm'|'note', rule, node, text, entry?, rq? }. Nothing here throws for what a log does wrong.
 */
(function (T) {
  const SEEN = 'tumar.seen.1';
  const PARALLEL = 4;
  const AGAIN_MS = 1500;
  const TRIES = 4;
  // So many bundles that are not there say enough: a log may sign that it has any number of entries.
  const MISSING = 16;

  const memory = {
    all() {
      try {
        return JSON.parse(localStorage.getItem(SEEN)) || {};
      } catch {
        return {};
      }
    },
    keep(origin, size, root, at) {
      try {
        localStorage.setItem(SEEN, JSON.stringify({ ...this.all(), [origin]: { size, root: T.toBase64(root), at } }));
      } catch {
        // A browser that keeps nothing still checks all but what was seen before.
      }
    },
  };
  T.forgetSeen = () => localStorage.removeItem(SEEN);

  const pause = (ms) => new Promise((done) => setTimeout(done, ms));

  const blank = (party, half) => ({
    party, half, folder: `${party.toLowerCase()}/${half}/`, findings: [], cosigners: [], size: 0, signed: false,
  });

  /** @returns {Promise<object>} what can be said of the checkpoint as it stands there now */
  async function readOnce(source, party, half, keys) {
    const log = blank(party, half);
    const alarm = (rule, text) => log.findings.push({ level: 'alarm', node: party, rule, text });
    let note;
    try {
      const bytes = await source.get(`${log.folder}checkpoint`, { fresh: true });
      if (!bytes) {
        alarm('NO_LOG', `There is no checkpoint for ${half}.`);
        return log;
      }
      log.note = T.text(bytes);
      note = T.splitNote(log.note);
      Object.assign(log, T.parseCheckpoint(note.text));
    } catch (error) {
      if (error instanceof T.SourceError) alarm('NO_LOG', `The checkpoint cannot be fetched: ${error.message}.`);
      else alarm('BAD_SIGNATURE', 'The checkpoint is not a signed note with origin, size and root.');
      return log;
    }
    const key = await T.keyOfHalf(keys.log[party], half);
    if (log.origin !== key.name) alarm('BAD_SIGNATURE', `The checkpoint is of the log ${log.origin}, not of ${key.name}.`);
    const state = await T.logSignature(note, key);
    log.signed = state === 'good';
    if (state === 'absent') alarm('BAD_SIGNATURE', `The checkpoint is not signed with the key of ${key.name}.`);
    if (state === 'false') alarm('BAD_SIGNATURE', `The checkpoint has a false signature in the name of ${key.name}.`);
    await readCosignatures(log, note, keys, alarm);
    return log;
  }

  async function readCosignatures(log, note, keys, alarm) {
    const peers = Object.keys(keys.cosigner).filter((party) => party !== log.party);
    for (const [who, key] of [...peers.map((party) => [party, keys.cosigner[party]]), ...keys.witnesses.map((key) => ['', key])]) {
      const { state, time } = await T.cosignature(note, key);
      const name = who ? `node ${who}` : `${key.name} (outside)`;
      log.cosigners.push({ name, isPeer: who !== '', state, time });
      if (state === 'false') alarm('UNDER_COSIGNED', `The cosignature in the name of ${name} is false.`);
      if (state === 'absent' && who) alarm('UNDER_COSIGNED', `Not cosigned by ${name}.`);
      if (state === 'absent' && !who) {
        log.findings.push({ level: 'note', node: log.party, rule: 'WITNESS', text: `Not cosigned by ${name}.` });
      }
    }
    log.time = log.cosigners.reduce((newest, { time }) => Math.max(newest, time || 0), 0);
  }

  /** Whether it continues what this browser saw of it before; if it does, it is what was seen. */
  async function compareSeen(log) {
    const seen = memory.all()[log.origin];
    log.seen = seen;
    if (seen) {
      const alarm = (rule, text) => log.findings.push({ level: 'alarm', node: log.party, rule, text });
      const when = `the checkpoint of ${seen.size} entries that this browser saw on ${T.day(seen.at)}`;
      if (log.size < seen.size) {
        alarm('REWOUND', `The log has ${log.size} entries, fewer than ${when}. If this folder is merely an older mirror, open it in another browser profile.`);
        return;
      }
      let good = false;
      try {
        const proof = await log.tiles.consistency(seen.size);
        good = await T.checkConsistency(seen.size, log.size, proof, T.fromBase64(seen.root), log.root);
      } catch (error) {
        // Tiles below what is kept go, so this may be honest. What was seen stays remembered.
        const text = `That it continues ${when} cannot be shown: ${error.message}.`;
        log.findings.push({ level: 'note', node: log.party, rule: 'UNPROVEN', text });
        return;
      }
      if (!good) {
        alarm('FORK', `The log does not continue ${when}: its past was changed, or it is shown to others otherwise.`);
        return;
      }
      log.continues = true;
    }
    memory.keep(log.origin, log.size, log.root, Math.floor(Date.now() / 1000));
  }

  /**
   * The log of a node that says it has none for this half: as one without entries. Who had requests then is given away by the others.
   */
  async function noLog(party, half, keys) {
    const log = { ...blank(party, half), entries: [] };
    const { name } = await T.keyOfHalf(keys.log[party], half);
    const seen = memory.all()[name];
    log.findings.push(seen
      ? { level: 'alarm', node: party, rule: 'GAP', text: `The log is gone; this browser saw ${T.many(seen.size, 'entry', 'entries')} of it on ${T.day(seen.at)}.` }
      : { level: 'note', node: party, rule: 'HALF', text: `Says that it has no log of ${half}.` });
    return log;
  }

  /**
   * @param {boolean} isListed whether the node says that it has such a log
   * @param {object} keys `{log: {A: Key, ..}, cosigner: {A: Key, ..}, witnesses: Key[]}`
   * @returns {Promise<object>} the log, with its findings
   */
  T.readLog = async (source, party, half, isListed, keys) => {
    if (!isListed) return noLog(party, half, keys);
    let log;
    for (let tries = 1; ; tries += 1) {
      log = await readOnce(source, party, half, keys);
      // A fresh checkpoint stands alone for a moment, until the others have cosigned it.
      const waits = log.cosigners.some(({ isPeer, state }) => isPeer && state === 'absent');
      if (!waits || source.isMirror || tries === TRIES) break;
      await pause(AGAIN_MS);
    }
    if (log.signed && !log.findings.some(({ rule }) => rule === 'BAD_SIGNATURE')) {
      log.tiles = new T.Tiles(source, log.folder, log.size);
      await compareSeen(log);
    }
    return log;
  };

  /** The first bundle that is there: those before it are pruned. */
  async function firstBundle(log, count, token) {
    const there = async (index) => {
      try {
        await log.tiles.file('entries', index, log.size, { token });
        return true;
      } catch (error) {
        if (error.kind === 'refused') throw error;
        return false;
      }
    };
    if (await there(0)) return 0;
    let [gone, kept] = [0, count - 1];
    if (kept === 0 || !(await there(kept))) return null;
    while (kept - gone > 1) {
      const middle = Math.floor((gone + kept) / 2);
      if (await there(middle)) kept = middle;
      else gone = middle;
    }
    return kept;
  }

  /** Reads one bundle: entries, their hashes, and whether these are the tile's. */
  async function readBundle(log, index, token, alarm) {
    const { width } = T.tilePath('entries', index, log.size);
    const entries = T.unbundle(await log.tiles.file('entries', index, log.size, { token }), width);
    const [leaves, tile] = await Promise.all([
      Promise.all(entries.map(T.leafHash)),
      log.tiles.read(0, index).catch(() => null),
    ]);
    const briefs = [];
    entries.forEach((bytes, at) => {
      const place = index * T.WIDTH + at;
      if (tile && !T.same(leaves[at], tile[at])) alarm('ENTRY_CHANGED', 'This entry does not hash to its leaf in the tree.', place);
      try {
        const entry = T.parseEntry(bytes);
        briefs.push(T.brief(entry, place));
        if (entry.action === 'search' && entry.event === 'admit' && entry.approvals < 2) {
          alarm('SEARCH_UNAPPROVED', `A search of a gallery with ${entry.approvals} approvals; two are needed.`, place, entry.rq);
        }
      } catch (error) {
        alarm('SCHEMA', `Not an entry of the closed schema: ${error.message}.`, place);
      }
    });
    if (!tile) alarm('ROOT', `Hash tile 0/${index} is missing or has another length.`);
    return { briefs, leaves, block: width === T.WIDTH ? await T.reduce(leaves) : null };
  }

  /** The root that the entries lead to; what was pruned is taken from tiles. */
  async function computeRoot(log, first, blocks, tail) {
    if (log.size === 0) return T.emptyRoot();
    const whole = blocks.length * T.WIDTH;
    return T.over(0, log.size, (height, index) => {
      if (height >= 8 && (index + 1) * 2 ** height <= first * T.WIDTH) return log.tiles.node(height, index);
      if (height === 8) return Promise.resolve(blocks[index]);
      return height === 0 ? Promise.resolve(tail[index - whole]) : null;
    });
  }

  /** That the tiles above the leaves follow from these: a bad one would spoil others' proofs. */
  async function checkTiles(log, blocks, alarm) {
    let hashes = blocks;
    for (let level = 1; hashes.length > 0; level += 1) {
      const above = [];
      for (let index = 0; index * T.WIDTH < hashes.length; index += 1) {
        const span = hashes.slice(index * T.WIDTH, (index + 1) * T.WIDTH);
        if (span.length === T.WIDTH && !span.includes(undefined)) above[index] = await T.reduce(span);
        else if (span.length === T.WIDTH) above[index] = undefined; // begins below what was pruned
        if (span.every((hash) => hash === undefined)) continue;
        const tile = await log.tiles.tile(level, index).catch(() => null);
        const bad = tile ? span.findIndex((hash, at) => hash !== undefined && !T.same(hash, tile[at])) : 0;
        const from = (index * T.WIDTH + bad) * T.WIDTH ** level;
        if (bad >= 0) alarm('ROOT', `Hash tile ${level}/${index} does not follow from the entries.`, from);
      }
      hashes = above;
    }
  }

  /**
   * Reads all entries of a log whose checkpoint is good, and sets `log.entries` if they lead to its root.
   *
   * @param {(done: number) => void} progress how many entries are done
   * @returns {Promise<void>} throws SourceError 'refused' if the token is not taken
   */
  T.readEntries = async (source, log, token, progress) => {
    const findings = [];
    const alarm = (rule, text, entry, rq) => findings.push({ level: 'alarm', node: log.party, rule, text, entry, rq });
    const count = Math.ceil(log.size / T.WIDTH);
    log.entryFindings = findings;
    log.entries = null;
    const first = count ? await firstBundle(log, count, token) : 0;
    if (first === null) {
      alarm('GAP', 'The entries cannot be read.');
      return;
    }
    log.prunedTo = first * T.WIDTH;
    const bundles = [];
    let next = first;
    let missing = 0;
    const work = async () => {
      while (next < count && missing < MISSING) {
        const index = next;
        next += 1;
        try {
          bundles[index] = await readBundle(log, index, token, alarm);
        } catch (error) {
          if (error.kind === 'refused') throw error;
          missing += 1;
          alarm('GAP', `Entry bundle ${index} cannot be read: ${error.message}.`, index * T.WIDTH);
        }
        progress(Math.min(T.WIDTH, log.size - index * T.WIDTH));
        await pause(0); // or the browser would paint nothing until all is done
      }
    };
    await Promise.all(Array.from({ length: PARALLEL }, work));
    if (missing) return;
    await finish(log, first, bundles, alarm);
    findings.sort((a, b) => (a.entry ?? 0) - (b.entry ?? 0));
  };

  async function finish(log, first, bundles, alarm) {
    const blocks = Array.from({ length: Math.floor(log.size / T.WIDTH) }, (_, at) => bundles[at]?.block);
    const tail = log.size % T.WIDTH ? bundles.at(-1).leaves : [];
    try {
      const isRoot = T.same(await computeRoot(log, first, blocks, tail), log.root);
      if (!isRoot) alarm('ROOT', 'The entries do not lead to the root that the log has signed.');
      await checkTiles(log, blocks, alarm);
      if (isRoot) log.entries = bundles.slice(first).flatMap(({ briefs }) => briefs);
    } catch (error) {
      alarm('ROOT', `A hash tile cannot be read: ${error.message}.`);
    }
  }
})(window.Tumar);
