import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AheadSampling, ContinuedRow, SamplingForward, SamplingRow } from '../../../dist/entry/decoder.js';
import { StepPlanner } from '../../../dist/entry/planner.js';
import { createRank, createThreadsGroup, joinThreads, openDevice, type Rank } from '../../../dist/index.js';
import { loadModules } from '../../../dist/memory/modules.js';
import {
  AheadSteps,
  type EngineArrival,
  type EngineEvent,
  type EngineToken,
  RankEngine,
} from '../../../dist/service/index.js';
import make from '../../fixtures/service/hash-forward.mjs';
import { nextToken, textAfter } from '../../fixtures/service/next-token.mjs';
import { TEST_DEVICE } from '../../support/device-fixture.js';
import { FULL_RUN, runs } from '../../support/property-runs.js';

const modules = await loadModules();
const model = { vocabSize: 9, cycle: true };
const controls = { temperature: 0, topK: 0, topP: 1, seed: 0n };
const small = { maxNumSeqs: 4, maxNumBatchedTokens: 12, maxModelLen: 40, blockSize: 4, numBlocks: 15, queryLen: 1 };

function arrival(id: number, prompt: readonly number[], more: Partial<EngineArrival> = {}): EngineEvent {
  const ids = Int32Array.from(prompt);
  return { kind: 'arrive', request: { id, ids, maxTokens: 8, controls, stopTokenIds: [], ...more } };
}

/** One engine and its planner; a step samples what the model says after each token of the built step. */
function solo(limits: Partial<typeof small> = {}) {
  const planner = new StepPlanner(modules, { limits: { ...small, ...limits } });
  const engine = new RankEngine({ planner });
  const step = (events: readonly EngineEvent[] = []): EngineToken[] => {
    engine.plan(events);
    planner.vote();
    const local = planner.build(planner.resolve(planner.table));
    const { inputIds, logitsIndices, positions } = local.tensors;
    const sampled = engine.rows(local).map((row, index) => {
      const at = logitsIndices[index];
      expect(row.position).toBe(Number(positions[at]) + 1);
      return nextToken(model, inputIds[at], row.position, row.controls);
    });
    engine.accept(local, Int32Array.from(sampled));
    return engine.take();
  };
  return { engine, planner, step };
}

/**
 * The same, planned ahead: a decode goes on with what was sampled before it, which the engine hears of a step later. Accepted drafts move its positions, as a
 * device moves them.
 */
function soloAhead(limits: Partial<typeof small> = {}) {
  const { engine, planner } = solo(limits);
  let continued: readonly ContinuedRow[] = [];
  /** Of each window of the last step, what it said. */
  let spoken: number[][] = [];
  const ahead: AheadSampling = {
    continueWith: (rows) => {
      continued = rows;
    },
    draw: (local, rows, windows) => {
      const { inputIds, logitsIndices, positions, tokenToRequest } = local.tensors;
      const next = windows.map(({ first, length, drafts }) => {
        const placed = local.order[tokenToRequest[logitsIndices[first] as number] as number];
        const before = continued.find(({ row }) => row === placed);
        const last = before === undefined ? [] : (spoken[before.window] as number[]);
        const said = Array.from({ length }, (_, place) => {
          const { controls, position } = rows[first + place] as SamplingRow;
          const at = logitsIndices[first + place] as number;
          const isLast = before === undefined || place > 0;
          const id = isLast ? (inputIds[at] as number) : (last.at(-1) as number);
          if (length > 1 && place > 0) expect(id).toBe(drafts[place - 1]);
          if (before !== undefined) expect([...before.drafts]).toEqual([...drafts]);
          if (before !== undefined) expect(before.position + place).toBe(Number(positions[at]));
          expect(position).toBe(Number(positions[at]) + 1);
          return nextToken(model, id, position + Math.max(0, last.length - 1), controls);
        });
        let accepted = 0;
        while (accepted < length - 1 && said[accepted] === drafts[accepted]) accepted++;
        return { said, accepted };
      });
      spoken = next.map(({ said, accepted }) => said.slice(0, accepted + 1));
      const accepted = Int32Array.from(next, (window) => window.accepted);
      const step = { ids: Int32Array.from(next.flatMap(({ said }) => said)), accepted, logits: null };
      return { readSync: () => step, read: async () => step };
    },
  };
  const rank = {
    stepSync: () => {
      planner.vote();
      const decision = planner.resolve(planner.table);
      return { decision, local: planner.build(decision) };
    },
  } as unknown as Rank;
  const steps = new AheadSteps(engine, ahead, 1000);
  const step = (events: readonly EngineEvent[] = []): EngineToken[] => {
    steps.stepSync(rank, events);
    return engine.take();
  };
  return { engine, planner, step };
}

/** Steps until nothing runs or waits; what each request said. */
function drained(
  { engine, step }: ReturnType<typeof solo>,
  events: readonly EngineEvent[],
): Map<number, EngineToken[]> {
  const said = new Map<number, EngineToken[]>();
  let next = events;
  for (let steps = 0; next.length > 0 || engine.running + engine.waiting > 0; steps++) {
    expect(steps).toBeLessThan(2000);
    for (const token of step(next)) said.set(token.id, [...(said.get(token.id) ?? []), token]);
    next = [];
  }
  step();
  return said;
}

const tokens = (said: readonly EngineToken[] = []): number[] => said.map(({ token }) => token);

describe('a rank engine', () => {
  it('says what the model says, and how each request ends', () => {
    const stop = textAfter(model, [1, 2], 3)[2] as number;
    const said = drained(solo(), [
      arrival(5, [1, 2, 3]),
      arrival(900, [1, 2], { stopTokenIds: [stop] }),
      arrival(7, [4], { maxTokens: 1 }),
    ]);
    expect(tokens(said.get(5))).toEqual(textAfter(model, [1, 2, 3], 8));
    expect(tokens(said.get(900))).toEqual(textAfter(model, [1, 2], 8, { stops: [stop] }));
    expect(tokens(said.get(7))).toEqual(textAfter(model, [4], 1));
    expect([5, 900, 7].map((id) => said.get(id)?.at(-1)?.end)).toEqual(['length', 'stop', 'length']);
  });

  it('gives no token to a request that may have none', () => {
    const said = drained(solo(), [arrival(1, [3, 4, 5], { maxTokens: 0 })]);
    expect(said.get(1)).toEqual([{ id: 1, token: -1, end: 'length' }]);
  });

  it('accepts drafts that the model would have said, and counts them', () => {
    const drafted = solo({ queryLen: 4, maxNumBatchedTokens: 16 });
    const prompt = [1, ...textAfter(model, [1], 12)];
    const said = drained(drafted, [arrival(1, prompt, { maxTokens: 24 })]);
    expect(tokens(said.get(1))).toEqual(textAfter(model, prompt, 24));
    const { draftTokens, acceptedTokens } = drafted.engine.stats;
    expect(acceptedTokens).toBeGreaterThan(12);
    expect(draftTokens).toBeGreaterThanOrEqual(acceptedTokens);
  });

  it('hears of a stop token one step late where steps are planned ahead, and gives nothing after it', () => {
    const all = textAfter(model, [1, 2], 12);
    const stop = all[3] as number;
    const made = soloAhead();
    const given = drained(made, [arrival(1, [1, 2], { maxTokens: 12, stopTokenIds: [stop] })]);
    expect(tokens(given.get(1))).toEqual(all.slice(0, all.indexOf(stop) + 1));
    expect(made.engine.stats.generatedTokens).toBe(all.indexOf(stop) + 2);
    expect(tokens(drained(soloAhead(), [arrival(1, [4], { maxTokens: 1 })]).get(1))).toEqual(textAfter(model, [4], 1));
    expect(drained(soloAhead(), [arrival(1, [3], { maxTokens: 0 })]).get(1)).toEqual([
      { id: 1, token: -1, end: 'length' },
    ]);
  });

  it('accepts drafts of steps that were planned ahead, each a guess after what it had not heard', () => {
    const drafted = soloAhead({ queryLen: 4, maxNumBatchedTokens: 16 });
    const prompt = [1, ...textAfter(model, [1], 12)];
    let steps = 0;
    const counted = {
      ...drafted,
      step: (events?: readonly EngineEvent[]): EngineToken[] => {
        steps++;
        return drafted.step(events);
      },
    };
    const said = drained(counted, [arrival(1, prompt, { maxTokens: 24 })]);
    expect(tokens(said.get(1))).toEqual(textAfter(model, prompt, 24));
    expect(drafted.engine.stats).toMatchObject({ acceptedTokens: 17, generatedTokens: 24, finished: 1 });
    expect(steps).toBeLessThan(16);
  });

  it('ends at a stop token among accepted drafts, and says nothing after it', () => {
    const prompt = [1, ...textAfter(model, [1], 12)];
    const all = textAfter(model, prompt, 24);
    const stop = all[2] as number;
    const said = drained(solo({ queryLen: 4, maxNumBatchedTokens: 16 }), [
      arrival(1, prompt, { maxTokens: 24, stopTokenIds: [stop] }),
    ]);
    expect(tokens(said.get(1))).toEqual(all.slice(0, all.indexOf(stop) + 1));
  });

  it('shares the blocks of equal prompts, unless a request wants its own', () => {
    const prompt = [1, 2, 3, 4, 5, 6, 7, 8, 1];
    for (const [sharePrefix, reused] of [
      [true, 8],
      [false, 0],
    ] as const) {
      const made = solo();
      made.step([arrival(1, prompt)]);
      made.step([arrival(2, prompt, { sharePrefix })]);
      drained(made, []);
      expect(made.engine.stats.reusedTokens).toBe(reused);
    }
  });

  it('forgets a cancelled request wherever it is, and says so once', () => {
    const made = solo({ maxNumSeqs: 1 });
    made.step([arrival(1, [1, 2]), arrival(2, [3])]);
    expect([made.engine.running, made.engine.waiting]).toEqual([1, 1]);
    const cancel = (id: number): EngineEvent => ({ kind: 'cancel', id });
    const said = made.step([cancel(2), cancel(1), cancel(1), cancel(77), arrival(3, [5]), cancel(3)]);
    expect(said).toEqual([2, 1, 3].map((id) => ({ id, token: -1, end: 'cancelled' })));
    expect([made.engine.running, made.engine.waiting, made.engine.stats.cancelled]).toEqual([0, 0, 3]);
    expect(made.engine.freeBlocks).toBe(small.numBlocks - 1);
  });

  it('refuses what can never be served, and takes nothing of the same call', () => {
    const made = solo();
    const events = [arrival(1, [1]), arrival(2, Array<number>(39).fill(1))];
    expect(() => made.engine.plan(events)).toThrow(expect.objectContaining({ code: 'ERR_BATCH_LIMIT' }));
    expect(() => made.engine.plan([arrival(3, [])])).toThrow(/no tokens/);
    expect([made.engine.running, made.engine.waiting]).toEqual([0, 0]);
    expect(tokens(drained(made, [arrival(1, [1])]).get(1))).toEqual(textAfter(model, [1], 8));
  });
});

it('waits for sampled tokens as long as it was told', async () => {
  const planner = new StepPlanner(modules, { limits: small });
  const engine = new RankEngine({ planner, timeoutMs: 1234 });
  const taken = (): object => {
    planner.vote();
    return { local: planner.build(planner.resolve(planner.table)) };
  };
  const waits: unknown[] = [];
  const sampleSync: SamplingForward['sampleSync'] = (_local, rows, options) => {
    waits.push(options?.timeoutMs);
    return new Int32Array(rows.length);
  };
  const forward = { sampleSync, sample: async (...given) => sampleSync(...given) } as SamplingForward;
  const rank = { stepSync: taken, step: async () => taken() } as unknown as Rank;
  engine.stepSync(rank, forward, [arrival(1, [1, 2])]);
  await engine.step(rank, forward, []);
  expect(waits).toEqual([1234, 1234]);
});

it('takes whole steps of ranks of one thread, which wait for each other', async () => {
  const group = createThreadsGroup(2);
  const limits = { ...small, numBlocks: 30 };
  const ranks = [0, 1].map((place) => {
    const planner = new StepPlanner(modules, { limits, rank: place, ranks: 2 });
    const device = openDevice({ device: TEST_DEVICE });
    let forward: SamplingForward | undefined;
    const rank = createRank({
      planner,
      device,
      collective: joinThreads(group, place),
      forward: (executor) => {
        forward = make(executor, planner.limits, model);
        return forward;
      },
    });
    return { rank, device, forward: forward as SamplingForward, engine: new RankEngine({ planner }) };
  });
  const said: EngineToken[][] = [[], []];
  let events: EngineEvent[][] = [[arrival(1, [1, 2]), arrival(2, [3])], [arrival(3, [5], { maxTokens: 20 })]];
  for (let leaves = false; !leaves; ) {
    const done = ranks.every(({ engine }) => engine.running + engine.waiting === 0) && events.flat().length === 0;
    const steps = await Promise.all(
      ranks.map(({ engine, rank, forward }, place) => engine.step(rank, forward, events[place] ?? [], done)),
    );
    for (const [place, { engine }] of ranks.entries()) said[place]?.push(...engine.take());
    events = [[], []];
    leaves = steps.every(({ decision }) => decision.leave);
  }
  const of = (id: number): number[] => tokens(said.flat().filter((token) => token.id === id));
  expect([of(1), of(2), of(3)]).toEqual([
    textAfter(model, [1, 2], 8),
    textAfter(model, [3], 8),
    textAfter(model, [5], 20),
  ]);
  for (const { rank, device } of ranks) {
    rank.dispose();
    device.dispose();
  }
});

it.each([
  ['', solo],
  [', planned ahead', soloAhead],
])('law: what a request says depends on its prompt and options, and on nothing beside it%s', (_mode, make) => {
  const seen = { preemptions: 0, cancelled: 0, reused: 0, accepted: 0 };
  const request = fc.record({
    prompt: fc.array(fc.nat({ max: 1 }), { minLength: 1, maxLength: 24, size: 'max' }),
    maxTokens: fc.integer({ min: 0, max: 16 }),
    stop: fc.option(fc.nat({ max: 8 })),
    at: fc.nat({ max: 12 }),
    cancelAt: fc.option(fc.nat({ max: 30 })),
    seed: fc.option(fc.nat({ max: 3 })),
  });
  fc.assert(
    fc.property(
      fc.array(request, { minLength: 1, maxLength: 12, size: 'max' }),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 11, max: 20 }),
      fc.integer({ min: 4, max: 30 }),
      (requests, queryLen, numBlocks, maxNumBatchedTokens) => {
        const made = make({ queryLen, numBlocks, maxNumBatchedTokens });
        const said = new Map<number, EngineToken[]>();
        for (let step = 0; step < 40 || made.engine.running + made.engine.waiting > 0; step++) {
          const events: EngineEvent[] = requests.flatMap(({ prompt, maxTokens, stop, at, cancelAt, seed }, id) => [
            ...(at === step
              ? [
                  arrival(id, prompt, {
                    maxTokens,
                    stopTokenIds: stop === null ? [] : [stop],
                    controls: { ...controls, temperature: seed === null ? 0 : 1, seed: BigInt(seed ?? 0) },
                  }),
                ]
              : []),
            ...(cancelAt === step ? [{ kind: 'cancel', id } as const] : []),
          ]);
          for (const token of made.step(events)) said.set(token.id, [...(said.get(token.id) ?? []), token]);
        }
        made.step();
        for (const [id, { prompt, maxTokens, stop, seed }] of requests.entries()) {
          const whole = textAfter(model, prompt, maxTokens, {
            temperature: seed === null ? 0 : 1,
            seed: BigInt(seed ?? 0),
            stops: stop === null ? [] : [stop],
          });
          const all = said.get(id) ?? [];
          const own = tokens(all).filter((token) => token >= 0);
          const { end } = all.at(-1) as EngineToken;
          expect(all.filter((token) => token.end !== null)).toHaveLength(1);
          expect(own).toEqual(end === 'cancelled' ? whole.slice(0, own.length) : whole);
          if (end !== 'cancelled') expect(end).toBe(stop !== null && whole.at(-1) === stop ? 'stop' : 'length');
        }
        expect(made.engine.freeBlocks).toBe(numBlocks - 1);
        const { preemptions, cancelled, reusedTokens, acceptedTokens } = made.engine.stats;
        seen.preemptions += preemptions;
        seen.cancelled += cancelled;
        seen.reused += reusedTokens;
        seen.accepted += acceptedTokens;
      },
    ),
    runs(300),
  );
  if (!FULL_RUN) return;
  expect(Math.min(...Object.values(seen))).toBeGreaterThan(0);
});
