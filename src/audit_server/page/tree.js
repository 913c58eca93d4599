'use strict';
/*
 * The hash tree of RFC 6962, from tiles that nobody here trusts: a proof is built of them, and then checked against a signed root.
 *
 * C2SP tlog-tiles. A tile is 256 hashes: of leaves at level 0, above of whole tiles one level down.
 */
(function (T) {
  const WIDTH = 256;
  const ZERO = Uint8Array.of(0);
  const ONE = Uint8Array.of(1);

  T.WIDTH = WIDTH;
  T.leafHash = (entry) => T.sha256(T.concat(ZERO, entry));
  T.nodeHash = (left, right) => T.sha256(T.concat(ONE, left, right));
  T.emptyRoot = () => T.sha256(new Uint8Array(0));

  /** Three digits an element, all but the last with an x before them: `x001/x234/067`. */
  function number(index) {
    let text = String(index % 1000).padStart(3, '0');
    for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000)) {
      text = `x${String(rest % 1000).padStart(3, '0')}/${text}`;
    }
    return text;
  }

  /** @param {string|number} what a level, or `entries` @param {number} count hashes or entries that the level has */
  T.tilePath = (what, index, count) => {
    const width = Math.min(WIDTH, count - index * WIDTH);
    return { full: `tile/${what}/${number(index)}`, part: width < WIDTH ? `.p/${width}` : '', width };
  };

  /** The largest power of two below `length`, which is at least 2. */
  function cut(length) {
    let half = 1;
    while (half * 2 < length) half *= 2;
    return half;
  }

  /** The power of two that `length` is, or -1. */
  const power = (length) => {
    const height = Math.round(Math.log2(length));
    return 2 ** height === length ? height : -1;
  };

  /** Pairs hashed up to one, all of one level at a time. @param {Uint8Array[]} hashes 2^n of them */
  T.reduce = async (hashes) => {
    let level = hashes;
    while (level.length > 1) {
      const next = [];
      for (let at = 0; at < level.length; at += 2) next.push(T.nodeHash(level[at], level[at + 1]));
      level = await Promise.all(next);
    }
    return level[0];
  };

  /**
   * RFC 6962's hash over leaves lo..hi, a range that its recursion arrives at.
   *
   * @param {(height: number, index: number) => Promise<Uint8Array>|null} known hash of a complete subtree, or null to go deeper
   */
  T.over = async (lo, hi, known) => {
    const length = hi - lo;
    const height = power(length);
    if (height >= 0) {
      const hash = known(height, lo / length);
      if (hash) return hash;
    }
    const middle = lo + cut(length);
    return T.nodeHash(await T.over(lo, middle, known), await T.over(middle, hi, known));
  };

  /** The hash tiles of one log at one size. */
  T.Tiles = class {
    /** @param {object} source @param {string} folder such as `a/2026h2/` @param {number} size */
    constructor(source, folder, size) {
      Object.assign(this, { source, folder, size, held: new Map() });
    }

    /** @returns {Promise<Uint8Array>} a file that may be there only in full by now; throws if it is not there at all */
    async file(what, index, count, how) {
      const { full, part } = T.tilePath(what, index, count);
      const path = this.folder + full;
      const bytes = (await this.source.get(path + part, how)) || (part && (await this.source.get(path, how)));
      if (!bytes) throw new T.SourceError('unreachable', `${path}${part} is not there`);
      return bytes;
    }

    /** @returns {Promise<Uint8Array[]>} */
    tile(level, index) {
      const name = `${level}/${index}`;
      if (!this.held.has(name)) {
        if (this.held.size > 2000) this.held.clear();
        this.held.set(name, this.read(level, index));
      }
      return this.held.get(name);
    }

    async read(level, index) {
      const count = Math.floor(this.size / WIDTH ** level);
      const bytes = await this.file(level, index, count);
      const { width } = T.tilePath(level, index, count);
      if (bytes.length !== width * 32 && bytes.length !== WIDTH * 32) throw new Error(`tile ${level}/${index} has another length`);
      return Array.from({ length: width }, (_, at) => bytes.slice(at * 32, at * 32 + 32));
    }

    /** The hash of a complete subtree of 2^height leaves. */
    async node(height, index) {
      const level = Math.floor(height / 8);
      const span = 2 ** (height % 8);
      const first = index * span;
      const tile = await this.tile(level, Math.floor(first / WIDTH));
      return T.reduce(tile.slice(first % WIDTH, (first % WIDTH) + span));
    }

    over(lo, hi) {
      return T.over(lo, hi, (height, index) => this.node(height, index));
    }

    /** @returns {Promise<Uint8Array[]>} sibling hashes, lowest first */
    async inclusion(index) {
      const path = [];
      let [lo, hi] = [0, this.size];
      while (hi - lo > 1) {
        const middle = lo + cut(hi - lo);
        if (index < middle) {
          path.unshift(await this.over(middle, hi));
          hi = middle;
        } else {
          path.unshift(await this.over(lo, middle));
          lo = middle;
        }
      }
      return path;
    }

    /** @param {number} old at most the size @returns {Promise<Uint8Array[]>} */
    async consistency(old) {
      const proof = [];
      if (old === 0 || old === this.size) return proof;
      let [lo, hi] = [0, this.size];
      while (hi !== old) {
        const middle = lo + cut(hi - lo);
        if (old <= middle) {
          proof.unshift(await this.over(middle, hi));
          hi = middle;
        } else {
          proof.unshift(await this.over(lo, middle));
          lo = middle;
        }
      }
      if (lo !== 0) proof.unshift(await this.over(lo, hi));
      return proof;
    }
  };

  const up = (place) => Math.floor(place / 2);

  /**
   * RFC 9162 section 2.1.3.2, with every step kept for a person to follow.
   *
   * @returns {Promise<{good: boolean, steps: {sibling: Uint8Array, left: boolean, hash: Uint8Array}[]}>}
   */
  T.checkInclusion = async (leaf, index, size, proof, root) => {
    const steps = [];
    if (index >= size) return { good: false, steps };
    let [node, last, hash] = [index, size - 1, leaf];
    for (const sibling of proof) {
      if (last === 0) return { good: false, steps };
      const left = node % 2 === 1 || node === last;
      hash = left ? await T.nodeHash(sibling, hash) : await T.nodeHash(hash, sibling);
      steps.push({ sibling, left, hash });
      while (left && node % 2 === 0 && node !== 0) [node, last] = [up(node), up(last)];
      [node, last] = [up(node), up(last)];
    }
    return { good: last === 0 && T.same(hash, root), steps };
  };

  /** RFC 9162 section 2.1.4.2. @returns {Promise<boolean>} whether the tree of `size` begins with that of `old` */
  T.checkConsistency = async (old, size, proof, oldRoot, root) => {
    if (old > size) return false;
    if (old === 0) return proof.length === 0 && T.same(oldRoot, await T.emptyRoot());
    if (old === size) return proof.length === 0 && T.same(oldRoot, root);
    let [node, last] = [old - 1, size - 1];
    while (node % 2 === 1) [node, last] = [up(node), up(last)];
    const path = power(old) >= 0 ? [oldRoot, ...proof] : proof;
    if (path.length === 0) return false;
    let [before, after] = [path[0], path[0]];
    for (const sibling of path.slice(1)) {
      if (last === 0) return false;
      const left = node % 2 === 1 || node === last;
      if (left) before = await T.nodeHash(sibling, before);
      after = left ? await T.nodeHash(sibling, after) : await T.nodeHash(after, sibling);
      while (left && node % 2 === 0 && node !== 0) [node, last] = [up(node), up(last)];
      [node, last] = [up(node), up(last)];
    }
    return last === 0 && T.same(before, oldRoot) && T.same(after, root);
  };
})(window.Tumar);
