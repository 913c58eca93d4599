'use strict';
/*
 * Bytes, text forms of them, and the two primitives that the whole page rests on: SHA-256 and Ed25519, both WebCrypto's.
 *
 * Classic scripts, one global (Tumar): a page that is opened from disk may not load modules.
 */
window.Tumar = {};

(function (T) {
  const encoder = new TextEncoder();
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

  /** @param {string} text @returns {Uint8Array} UTF-8 */
  T.utf8 = (text) => encoder.encode(text);

  /** @param {Uint8Array} bytes @returns {string} throws if they are not UTF-8 */
  T.text = (bytes) => decoder.decode(bytes);

  /** @param {Uint8Array} bytes @returns {string} lower-case digits */
  T.hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

  /** @param {Uint8Array} bytes @returns {string} */
  T.toBase64 = (bytes) => {
    let text = '';
    for (let at = 0; at < bytes.length; at += 8192) {
      text += String.fromCharCode(...bytes.subarray(at, at + 8192));
    }
    return btoa(text);
  };

  /** @param {string} text standard alphabet, padded @returns {Uint8Array} throws on any other spelling */
  T.fromBase64 = (text) => {
    const wrong = new Error('not canonical base64');
    if (/[^A-Za-z0-9+/=]/.test(text)) throw wrong;
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text, { lastChunkHandling: 'strict' });
    const raw = atob(text);
    if (btoa(raw) !== text) throw wrong;
    const bytes = new Uint8Array(raw.length);
    for (let at = 0; at < raw.length; at += 1) bytes[at] = raw.charCodeAt(at);
    return bytes;
  };

  /** @param {...Uint8Array} parts @returns {Uint8Array} */
  T.concat = (...parts) => {
    const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  };

  /** Not in constant time: everything compared here is public. */
  T.same = (a, b) => a.length === b.length && a.every((byte, at) => byte === b[at]);

  /** @param {Uint8Array} bytes @returns {Promise<Uint8Array>} */
  T.sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));

  /** @returns {Promise<boolean>} whether `signature` is `key`'s over `message`; also false where the key is none */
  T.isSigned = async (key, message, signature) => {
    try {
      const verifier = await crypto.subtle.importKey('raw', key, { name: 'Ed25519' }, false, ['verify']);
      return await crypto.subtle.verify({ name: 'Ed25519' }, verifier, signature, message);
    } catch {
      return false;
    }
  };

  /** @returns {Promise<string>} what this browser lacks, empty if nothing. The test key is RFC 8032's first. */
  T.lacks = async () => {
    if (!window.isSecureContext || !window.crypto || !crypto.subtle) {
      return 'This page needs WebCrypto, which browsers give only to https, to this computer itself, and to files.';
    }
    const key = new Uint8Array('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'
      .match(/../g).map((pair) => parseInt(pair, 16)));
    try {
      await crypto.subtle.importKey('raw', key, { name: 'Ed25519' }, false, ['verify']);
      return '';
    } catch {
      return 'This browser cannot check Ed25519 signatures. Use a newer one: Chromium 137, Firefox 129, Safari 17.';
    }
  };
})(window.Tumar);
