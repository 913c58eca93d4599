'use strict';
/*
 * Keys, signed notes, checkpoints and cosignatures: what a log says of itself, and who vouches for it.
 *
 * C2SP signed-note, tlog-checkpoint, tlog-cosignature (cosignature/v1).
 */
(function (T) {
  const LOG = 1;
  const COSIGNER = 4;
  const MAX_NOTE = 128 * 1024;
  const MAX_SIGNATURES = 16;

  /** The first four bytes of SHA-256(name, line end, type, key). */
  async function keyId(name, type, key) {
    return (await T.sha256(T.concat(T.utf8(`${name}\n`), Uint8Array.of(type), key))).subarray(0, 4);
  }

  /**
   * A verifier key `name+id+base64(type, key)`.
   *
   * @typedef {{name: string, id: Uint8Array, type: number, key: Uint8Array, text: string}} Key
   * @param {string} text @param {number} type 1 for a log's, 4 for a cosigner's
   * @returns {Promise<Key>} throws if it is none, or its id is not the one that name and key have
   */
  T.parseKey = async (text, type) => {
    const [, name, id, encoded] = /^([^\s+]{1,128})\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text) || [];
    if (!name) throw new Error('not a verifier key');
    const decoded = T.fromBase64(encoded);
    if (decoded.length !== 33 || decoded[0] !== type) throw new Error('not a key of this kind');
    const key = decoded.subarray(1);
    const computed = await keyId(name, type, key);
    if (T.hex(computed) !== id) throw new Error('the key has another id');
    return { name, id: computed, type, key, text };
  };
  T.parseLogKey = (text) => T.parseKey(text, LOG);
  T.parseCosigner = (text) => T.parseKey(text, COSIGNER);

  /** The log key of half a year: the same key under the name `NAME/2026h2`. @returns {Promise<Key>} */
  T.keyOfHalf = async (base, half) => {
    const name = `${base.name}/${half}`;
    const id = await keyId(name, LOG, base.key);
    const text = `${name}+${T.hex(id)}+${T.toBase64(T.concat(Uint8Array.of(LOG), base.key))}`;
    return { name, id, type: LOG, key: base.key, text };
  };

  /**
   * @param {string} note
   * @returns {{text: string, signatures: {name: string, id: Uint8Array, blob: Uint8Array}[]}} throws if it is no signed note
   */
  T.splitNote = (note) => {
    const blank = note.lastIndexOf('\n\n');
    const wrong = new Error('not a signed note');
    // eslint-disable-next-line no-control-regex
    if (note.length > MAX_NOTE || blank < 0 || !note.endsWith('\n') || /[\x00-\x09\x0b-\x1f]/.test(note)) throw wrong;
    const lines = note.slice(blank + 2, -1).split('\n');
    if (lines.length > MAX_SIGNATURES) throw wrong;
    const signatures = lines.map((line) => {
      const [, name, encoded] = /^\u2014 ([^\s+]+) ([A-Za-z0-9+/=]+)$/.exec(line) || [];
      if (!name) throw wrong;
      const bytes = T.fromBase64(encoded);
      if (bytes.length < 5) throw wrong;
      return { name, id: bytes.subarray(0, 4), blob: bytes.subarray(4) };
    });
    return { text: note.slice(0, blank + 1), signatures };
  };

  /** @returns {{origin: string, size: number, root: Uint8Array}} throws unless it is exactly three lines in their form */
  T.parseCheckpoint = (text) => {
    const [, origin, size, encoded] = /^([^\s+]+)\n(0|[1-9]\d{0,15})\n([A-Za-z0-9+/]{43}=)\n$/.exec(text) || [];
    if (!origin || !Number.isSafeInteger(Number(size))) throw new Error('not a checkpoint');
    return { origin, size: Number(size), root: T.fromBase64(encoded) };
  };

  const by = (key) => (signature) => signature.name === key.name && T.same(signature.id, key.id);

  /** @returns {Promise<'good'|'absent'|'false'>} of the log's own signature */
  T.logSignature = async (note, key) => {
    const own = note.signatures.filter(by(key));
    for (const { blob } of own) {
      if (!(await T.isSigned(key.key, T.utf8(note.text), blob))) return 'false';
    }
    return own.length ? 'good' : 'absent';
  };

  /** @returns {Promise<{state: 'good'|'absent'|'false', time?: number}>} the newest of a cosigner's, in unix seconds */
  T.cosignature = async (note, key) => {
    let time;
    for (const { blob } of note.signatures.filter(by(key))) {
      if (blob.length !== 72) return { state: 'false' };
      const stamp = new DataView(blob.buffer, blob.byteOffset).getBigUint64(0);
      const message = T.utf8(`cosignature/v1\ntime ${stamp}\n${note.text}`);
      if (stamp > 253402300799n || !(await T.isSigned(key.key, message, blob.subarray(8)))) return { state: 'false' };
      time = Math.max(time ?? 0, Number(stamp));
    }
    return time === undefined ? { state: 'absent' } : { state: 'good', time };
  };
})(window.Tumar);
