import { at, fails, i32Bytes, i32Of, type KernelCases, poison, scalar, succeeds } from './case.js';

/** Words of a row of controls, and which of them is the position. */
const [CONTROL_WORDS, POSITION_WORD] = [8, 5];

/** Requests that sampled some tokens each, a few of them after drafts that are what was sampled. */
export const acceptDrafts: KernelCases = {
  kinds: ['failure', 'all kept', 'some kept', 'none kept', 'no drafts', 'out of order', 'more drafts than asked for'],
  draw(draws) {
    const n = draws.from(1, 8);
    const maxDrafts = draws.from(0, 3);
    const lengths = draws.list(n, () => draws.from(1, 2 + maxDrafts));
    const order = draws.distinct(n, n);
    const first: number[] = [];
    let tokens = 0;
    for (const request of order) {
      first[request] = tokens;
      tokens += lengths[request] ?? 0;
    }
    const sampled = draws.list(tokens, () => draws.from(0, 2));
    const ends = new Set(lengths.map((length, request) => (first[request] ?? 0) + length - 1));
    const next = sampled.map((token, index) => (ends.has(index) ? -1 : draws.once(3) ? draws.from(0, 2) : token));
    const kept = lengths.map((length, request) => {
      const begin = first[request] ?? 0;
      let count = 0;
      while (count < Math.min(maxDrafts, length - 1) && next[begin + count] === sampled[begin + count]) count++;
      return count;
    });
    const launchOf = (places: readonly number[]) => ({
      kernel: 'accept_drafts',
      buffers: [i32Bytes(sampled), i32Bytes(next), i32Bytes(places), poison(n * 4), poison(n * (1 + maxDrafts) * 4)],
      values: [at(0), at(1), at(2), at(3), at(4), scalar(n), scalar(tokens), scalar(maxDrafts)],
    });
    const of = (is: (count: number, length: number) => boolean): boolean =>
      kept.some((count, request) => is(count, lengths[request] ?? 0));
    const kinds = [
      ...(of((count, length) => count > 1 && count === length - 1) ? ['all kept'] : []),
      ...(of((count, length) => count > 0 && count < Math.min(maxDrafts, length - 1)) ? ['some kept'] : []),
      ...(of((count, length) => count === 0 && maxDrafts > 0 && length > 1) ? ['none kept'] : []),
      ...(of((_, length) => length === 1) ? ['no drafts'] : []),
      ...(order.some((request, index) => request !== index) ? ['out of order'] : []),
      ...(of((count, length) => count === maxDrafts && length > 1 + maxDrafts) ? ['more drafts than asked for'] : []),
    ];
    if (draws.once(6)) {
      const request = draws.from(0, n - 1);
      const place = draws.pick([-1, tokens]);
      const words = `first[${request}] is ${place}, there are ${tokens} sampled tokens`;
      return fails(launchOf(first.with(request, place)), kinds, words);
    }
    return succeeds(launchOf(first), kinds, ([, , , accepted = poison(0), out = poison(0)]) => {
      i32Of(accepted).set(kept);
      for (const [request, count] of kept.entries()) {
        const row = i32Of(out).subarray(request * (1 + maxDrafts), (request + 1) * (1 + maxDrafts));
        row.fill(-1).set(sampled.slice(first[request], (first[request] ?? 0) + count + 1));
      }
    });
  },
};

/** Rows of controls, some of which go on with rows of a step whose accepted drafts the host does not know. */
export const advancePositions: KernelCases = {
  kinds: ['failure', 'moved', 'several rows of one request', 'known', 'none kept', 'beyond one grid'],
  draw(draws) {
    const n = draws.once(4) ? draws.from(41, 60) : draws.from(1, 24);
    const maxDrafts = draws.from(0, 3);
    const lastRows = draws.from(1, 8);
    const accepted = draws.list(lastRows, () => draws.from(0, maxDrafts));
    const source = draws.list(n, () => (draws.once(4) ? -1 : draws.from(0, lastRows - 1)));
    const controls = draws.list(n * CONTROL_WORDS, () => draws.from(0, 1000));
    const launchOf = (lists: { source: readonly number[]; accepted: readonly number[] }) => ({
      kernel: 'advance_positions',
      buffers: [i32Bytes(lists.source), i32Bytes(lists.accepted), i32Bytes(controls)],
      values: [at(0), at(1), at(2), scalar(n), scalar(maxDrafts)],
    });
    const going = source.filter((row) => row >= 0);
    const kinds = [
      ...(going.some((row) => (accepted[row] ?? 0) > 0) ? ['moved'] : []),
      ...(new Set(going).size < going.length ? ['several rows of one request'] : []),
      ...(going.length < n ? ['known'] : []),
      ...(going.some((row) => accepted[row] === 0) ? ['none kept'] : []),
      ...(n > 40 ? ['beyond one grid'] : []),
    ];
    if (going.length > 0 && draws.once(6)) {
      const place = source.findIndex((row) => row >= 0);
      if (draws.once(2)) {
        const words = `source[${place}] is ${lastRows}, the last step has ${lastRows} rows`;
        return fails(launchOf({ source: source.with(place, lastRows), accepted }), kinds, words);
      }
      const row = source[place] ?? 0;
      const count = draws.pick([-1, maxDrafts + 1]);
      const words = `accepted[${row}] is ${count}, of at most ${maxDrafts} drafts`;
      return fails(launchOf({ source, accepted: accepted.with(row, count) }), kinds, words);
    }
    return succeeds(launchOf({ source, accepted }), kinds, ([, , changed = poison(0)]) => {
      const words = i32Of(changed);
      for (const [row, last] of source.entries()) {
        if (last >= 0) words[row * CONTROL_WORDS + POSITION_WORD] += accepted[last] ?? 0;
      }
    });
  },
};
