import { at, fails, i32Bytes, i32Of, type KernelCases, poison, scalar, succeeds } from './case.js';

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
