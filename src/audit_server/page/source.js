'use strict';
/*
 * Where the files of the logs come from: the node that served this page, or a mirrored folder on disk.
 *
 * Browsers let a page on disk read no other file, but they let it run scripts beside it. So a mirrored folder holds its files a
 * second time, as scripts of lines
 *     tumarMirror("a/2026h2/checkpoint","<base64>");
 * in page/mirror.js (logs.json and all checkpoints) and page/mirror/a-2026h2.js (what is below a/2026h2/tile/), the latter loaded
 * when it is first asked for.
 */
(function (T) {
  const TRIES = 5;

  /** Why a file could not be had; that it is not there is no such reason. */
  T.SourceError = class extends Error {
    /** @param {'refused'|'unreachable'} kind @param {string} message */
    constructor(kind, message) {
      super(message);
      this.kind = kind;
    }
  };

  const mirrored = new Map();
  window.tumarMirror = (path, base64) => {
    mirrored.set(path, base64);
  };

  /** From the node, or any web server that has a mirrored folder. */
  class HttpSource {
    constructor() {
      this.isMirror = false;
    }

    /**
     * @param {string} path below the page's folder
     * @param {{token?: string, fresh?: boolean}} how with a bearer token; not from the browser's cache
     * @returns {Promise<Uint8Array|null>} null if it is not there
     */
    async get(path, how = {}) {
      const headers = how.token ? { Authorization: `Bearer ${how.token}` } : {};
      const cache = how.fresh || how.token ? 'no-store' : 'default';
      let answer;
      for (let tries = 1; ; tries += 1) {
        try {
          answer = await fetch(new URL(path, document.baseURI), {
            headers, cache, credentials: 'omit', redirect: 'error', referrerPolicy: 'no-referrer',
          });
        } catch {
          throw new T.SourceError('unreachable', 'no answer');
        }
        // A node that is busy says so, and is asked again.
        if ((answer.status !== 503 && answer.status !== 429) || tries === TRIES) break;
        await new Promise((done) => setTimeout(done, tries * 500));
      }
      if (answer.status === 404 || answer.status === 410) return null;
      if (answer.status === 401 || answer.status === 403) throw new T.SourceError('refused', 'the token was refused');
      if (!answer.ok) throw new T.SourceError('unreachable', `answer ${answer.status}`);
      try {
        return new Uint8Array(await answer.arrayBuffer());
      } catch {
        throw new T.SourceError('unreachable', 'the answer broke off');
      }
    }
  }

  /** From scripts in a mirrored folder. */
  class MirrorSource {
    constructor() {
      this.isMirror = true;
      this.parts = new Map();
    }

    /** As HttpSource.get; a token is not asked for. */
    async get(path) {
      await this.part('page/mirror.js');
      const [, party, half] = /^([abc])\/(\d{4}h[12])\/tile\//.exec(path) || [];
      if (party && !mirrored.has(path)) await this.part(`page/mirror/${party}-${half}.js`);
      return mirrored.has(path) ? T.fromBase64(mirrored.get(path)) : null;
    }

    part(path) {
      if (!this.parts.has(path)) {
        this.parts.set(path, new Promise((done, failed) => {
          const script = document.createElement('script');
          script.src = path;
          script.onload = () => done();
          script.onerror = () => failed(new T.SourceError('unreachable', `${path} is not there`));
          document.head.append(script);
        }));
      }
      return this.parts.get(path);
    }
  }

  /** @returns {HttpSource|MirrorSource} by how the page itself was opened */
  T.source = () => (location.protocol === 'file:' ? new MirrorSource() : new HttpSource());
})(window.Tumar);
