import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  FairQueue,
  leastLoaded,
  PrefixKeys,
  PromptLookup,
  StopStrings,
  TokenStream,
} from '../../../dist/service/index.js';
import { MessageOrder, messageOrderMemory } from '../../../dist/service/message-order.js';
import { runs } from '../../support/property-runs.js';

const ids = fc.array(fc.nat({ max: 1 }), { maxLength: 12 });

describe('numbers of prompt beginnings', () => {
  it('are equal exactly where the prompts up to there are', () => {
    fc.assert(
      fc.property(fc.array(ids, { maxLength: 8 }), fc.integer({ min: 1, max: 4 }), (prompts, blockSize) => {
        const keys = new PrefixKeys(blockSize, 1000);
        const numbered = prompts.map((prompt) => keys.of(Int32Array.from(prompt), prompt.length));
        for (const [a, first] of numbered.entries()) {
          expect(first.length).toBe(Math.ceil((prompts[a] as number[]).length / blockSize));
          for (const [b, second] of numbered.entries()) {
            for (let block = 0; block < Math.min(first.length, second.length); block++) {
              const ends = [prompts[a], prompts[b]].map((prompt) => prompt?.slice(0, (block + 1) * blockSize).join());
              expect(first[block] === second[block]).toBe(ends[0] === ends[1]);
            }
          }
        }
      }),
      runs(300),
    );
  });

  it('are never equal for different prompts, though the table forgets', () => {
    const keys = new PrefixKeys(2, 4);
    const owner = new Map<number, string>();
    for (let round = 0; round < 200; round++) {
      const prompt = Int32Array.from({ length: 6 }, (_, at) => (round >> at) & 1);
      for (const [block, key] of keys.of(prompt, 6).entries()) {
        const content = prompt.slice(0, 2 * block + 2).join();
        expect(owner.get(key) ?? content).toBe(content);
        owner.set(key, content);
      }
      expect(keys.size).toBeLessThanOrEqual(8);
    }
    expect(owner.size).toBeGreaterThan(14);
  });
});

describe('drafts from the own text', () => {
  it('are what followed the same tokens before, the longest end and the latest place first', () => {
    const text = Int32Array.from([1, 2, 3, 4, 5, 9, 2, 3, 6, 7, 1, 2, 3]);
    expect([...new PromptLookup().propose(text, text.length, 2)]).toEqual([4, 5]);
    expect([...new PromptLookup().propose(text, 8, 3)]).toEqual([4, 5, 9]);
    expect([...new PromptLookup().propose(text, 6, 3)]).toEqual([]);
  });

  it('are those of a plain search, however the text grows', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat({ max: 2 }), { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 1, max: 4 }),
        (text, count) => {
          const all = Int32Array.from(text);
          const lookup = new PromptLookup();
          for (let length = 1; length <= all.length; length += 1 + (length % 3)) {
            let expected: Int32Array = all.subarray(0, 0);
            for (const size of [2, 3]) {
              const end = all.subarray(length - size, length).join();
              for (let at = size; at < length && length > size; at++) {
                if (all.subarray(at - size, at).join() === end)
                  expected = all.subarray(at, Math.min(length, at + count));
              }
            }
            expect([...lookup.propose(all, length, count)]).toEqual([...expected]);
          }
        },
      ),
      runs(300),
    );
  });
});

describe('stop strings', () => {
  const texts = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 24 });
  it('cut the text before the first of them, and hold back no more than may begin one', () => {
    fc.assert(
      fc.property(
        texts,
        fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 4 }), { maxLength: 3 }),
        fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 24, maxLength: 24 }),
        (text, stops, sizes) => {
          const checked = new StopStrings(stops);
          let given = '';
          let seen = '';
          let stopped = false;
          for (let at = 0, piece = 0; at < text.length && !stopped; at += sizes[piece++] as number) {
            const part = text.slice(at, at + (sizes[piece] as number));
            seen += part;
            const result = checked.push(part);
            given += result.text;
            stopped = result.stopped;
            const first = Math.min(...stops.map((stop) => (seen.includes(stop) ? seen.indexOf(stop) : Infinity)));
            expect(stopped).toBe(first < Infinity);
            if (stopped) expect(given).toBe(seen.slice(0, first));
            else {
              const rest = seen.slice(given.length);
              expect(seen.startsWith(given)).toBe(true);
              if (rest !== '') expect(stops.some((stop) => stop.startsWith(rest))).toBe(true);
            }
          }
          if (!stopped) expect(given + checked.end()).toBe(text);
        },
      ),
      runs(500),
    );
  });
});

describe('the queue of clients', () => {
  it('gives each client its turn, and its own requests in order', () => {
    const queue = new FairQueue<{ client: string; at: number }>();
    const entries = ['a', 'a', 'a', 'b', 'b', 'c'].map((client, at) => ({ client, at }));
    for (const entry of entries) queue.add(entry);
    expect(queue.remove(entries[1] as never)).toBe(true);
    expect(queue.remove(entries[1] as never)).toBe(false);
    expect(queue.length).toBe(5);
    const order = Array.from({ length: 6 }, () => queue.take()?.at);
    expect(order).toEqual([0, 3, 5, 2, 4, undefined]);
  });
});

it('the rank of least load waits least, then runs least, and is the lowest of equals', () => {
  const loads = [
    { waiting: 1, running: 0 },
    { waiting: 0, running: 4 },
    { waiting: 0, running: 5 },
  ];
  expect(leastLoaded(loads)).toBe(0);
  expect(leastLoaded(loads, (rank) => rank !== 0)).toBe(1);
  expect(leastLoaded(loads, () => false)).toBe(-1);
});

describe('messages of a replica', () => {
  it('come into effect in the same step on all of its processes, however they arrive', async () => {
    const memory = messageOrderMemory();
    const first = new MessageOrder<number>(memory, true, 1000);
    const second = new MessageOrder<number>(memory, false, 1000);
    for (const message of [1, 2, 3]) first.add(message);
    second.add(1);
    const late = second.take(0);
    expect(await first.take(0)).toEqual([1, 2, 3]);
    second.add(2);
    setTimeout(() => {
      for (const message of [3, 4]) second.add(message);
    }, 10);
    expect(await late).toEqual([1, 2, 3]);
    expect(await first.take(1)).toEqual([]);
    expect(await second.take(1)).toEqual([]);
    expect([first.taken, second.taken, second.waiting]).toEqual([3, 3, true]);
  });

  it('are not waited for without an end', async () => {
    const alone = new MessageOrder<number>(messageOrderMemory(), false, 60);
    await expect(alone.take(0)).rejects.toMatchObject({ code: 'ERR_COLLECTIVE_TIMEOUT' });
  });
});

describe('a stream of tokens', () => {
  const calls: string[] = [];
  const owner = {
    onBehind: () => void calls.push('behind'),
    onRead: () => void calls.push('read'),
    onClosed: () => void calls.push('closed'),
  };
  const token = (id: number) => ({ choice: 0, token: id });

  it('says when its reader is behind, and when it has read all', async () => {
    calls.length = 0;
    const stream = new TokenStream(owner, 2);
    for (const id of [1, 2, 3]) stream.push(token(id));
    expect(calls).toEqual(['behind']);
    expect((await stream.next()).value).toEqual(token(1));
    expect(calls).toEqual(['behind']);
    await stream.next();
    await stream.next();
    expect(calls).toEqual(['behind', 'read']);
    const waiting = stream.next();
    stream.end();
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(calls).toEqual(['behind', 'read', 'closed']);
  });

  it('gives what came before an error, then the error, then nothing', async () => {
    const stream = new TokenStream(owner, 2);
    stream.push(token(1));
    stream.end(new Error('lost'));
    stream.push(token(2));
    expect((await stream.next()).value).toEqual(token(1));
    await expect(stream.next()).rejects.toThrow('lost');
    expect((await stream.next()).done).toBe(true);
  });
});
