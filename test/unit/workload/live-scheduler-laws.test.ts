import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  LiveScheduler,
  type LiveSchedulerLimits,
  type RankSchedule,
  RequestTable,
  type SchedulerEvent,
  type SchedulerLimits,
  SchedulerModel,
} from '../../../dist/workload/index.js';
import { KvCacheOracle } from '../../oracles/kv-cache-oracle.js';
import { type OracleRank, SchedulerOracle } from '../../oracles/scheduler-oracle.js';
import { arrive } from '../../support/live-events.js';
import { runs } from '../../support/property-runs.js';
import { schedulerCases } from '../../support/scheduler-cases.js';

/** A schedule without what will be accepted, which the live scheduler cannot know yet. */
function unsampled(schedule: RankSchedule): object {
  return { ...schedule, scheduled: schedule.scheduled.map(({ advance: _, ...chunk }) => chunk) };
}

/** Numbers for the chains of leading hash ids, as an engine would make them from the tokens themselves. */
function prefixNumbers(): (hashIds: readonly number[] | null) => number[] | undefined {
  const numbers = new Map<string, number>();
  return (hashIds) =>
    hashIds?.map((_, depth) => {
      const chain = hashIds.slice(0, depth + 1).join(',');
      if (!numbers.has(chain)) numbers.set(chain, 1e12 + numbers.size);
      return numbers.get(chain) as number;
    });
}

function liveLimits({
  maxNumSeqs,
  maxNumBatchedTokens,
  blockSize,
  numBlocks,
  queryLen,
}: SchedulerLimits): LiveSchedulerLimits {
  return { maxNumSeqs, maxNumBatchedTokens, blockSize, numBlocks, queryLen, maxModelLen: 131072, tokensPerKey: 512 };
}

describe('laws of a live scheduler', () => {
  it('takes the steps of the model, which knows beforehand what the live one hears when it happens', () => {
    const seen = { steps: 0, preemptions: 0, finishes: 0 };
    fc.assert(
      fc.property(schedulerCases, fc.boolean(), fc.boolean(), ({ rows, limits: some }, one, told) => {
        const limits = { ...some, ranks: 1, queryLen: one ? 1 : some.queryLen, maxModelLen: 131072 };
        const table = RequestTable.from(rows);
        const model = new SchedulerModel(table, limits);
        const live = new LiveScheduler(liveLimits(limits));
        const numbers = prefixNumbers();
        const generated = new Map<number, number>();
        let arrived = 0;
        let events: SchedulerEvent[] = [];
        for (let schedule = model.next(); schedule !== null; schedule = model.next()) {
          for (const { id, arrivalMs, inputTokens, outputTokens, hashIds } of [...table].slice(arrived)) {
            if (arrivalMs / limits.speed > model.stats.clockMs) break;
            arrived++;
            if (Math.ceil((inputTokens + outputTokens) / limits.blockSize) > limits.numBlocks - 1) continue;
            // Drafts are cut short by what may be generated, so that there the live scheduler has to know it.
            const hears = told && limits.queryLen === 1 && outputTokens > 0;
            const most = (limits.numBlocks - 1) * limits.blockSize - inputTokens;
            events.push(arrive(id, inputTokens, { maxTokens: hears ? most : outputTokens, prefix: numbers(hashIds) }));
          }
          expect(unsampled(live.step(events))).toEqual(unsampled(schedule.ranks[0] as RankSchedule));
          seen.steps++;
          events = [];
          for (const { request, phase, lastChunk, advance } of schedule.ranks[0]?.scheduled ?? []) {
            if (!lastChunk) continue;
            if (phase === 'decode') events.push({ kind: 'yield', request, tokens: advance });
            const now = (generated.get(request) ?? 0) + (phase === 'decode' ? advance : 1);
            generated.set(request, now);
            if (now < table.get(request).outputTokens) continue;
            events.push({ kind: 'finish', request });
            seen.finishes++;
          }
          model.complete();
        }
        live.step(events);
        const { finished, preemptions, promptTokens, generatedTokens, reusedTokens } = model.stats;
        expect(live.stats).toEqual({ finished, preemptions, promptTokens, generatedTokens, reusedTokens });
        seen.preemptions += preemptions;
      }),
      runs(150),
    );
    expect(Math.min(seen.steps, seen.finishes)).toBeGreaterThan(0);
  });

  it('takes the steps of the plain oracle where requests are cancelled at any time', () => {
    let cancelled = 0;
    fc.assert(
      fc.property(
        schedulerCases,
        fc.array(fc.option(fc.nat(30)), { maxLength: 60 }),
        ({ rows, limits: some }, picks) => {
          const limits = { ...some, ranks: 1, maxModelLen: 131072 };
          const table = RequestTable.from(rows);
          const oracle = new SchedulerOracle([...table], limits);
          const live = new LiveScheduler(liveLimits(limits));
          const numbers = prefixNumbers();
          let arrived = 0;
          let events: SchedulerEvent[] = [];
          for (let step = 0; ; step++) {
            for (const { id, arrivalMs, inputTokens, outputTokens, hashIds } of [...table].slice(arrived)) {
              if (arrivalMs / limits.speed > oracle.clockMs) break;
              arrived++;
              if (Math.ceil((inputTokens + outputTokens) / limits.blockSize) > limits.numBlocks - 1) continue;
              events.push(arrive(id, inputTokens, { maxTokens: outputTokens, prefix: numbers(hashIds) }));
            }
            const expected = oracle.step()?.ranks[0] as OracleRank;
            if (expected === undefined) break;
            const { removed, added, appended, scheduled } = live.step(events);
            expect({
              removed,
              added: added.map(({ blockIds, ...rest }) => ({ ...rest, blocks: blockIds.length })),
              appended: appended.map(({ blockIds, ...rest }) => ({ ...rest, blocks: blockIds.length })),
              scheduled: scheduled.map(({ advance: _, ...chunk }) => chunk),
            }).toEqual({ ...expected, scheduled: expected.scheduled.map(({ advance: _, ...chunk }) => chunk) });
            events = expected.scheduled
              .filter(({ phase }) => phase === 'decode')
              .map(({ request, advance: tokens }) => ({ kind: 'yield', request, tokens }));
            // One that the step ends by itself is not there any more when the event comes, which is no fault.
            const there = [...live.running, ...live.waiting];
            const pick = picks[step] ?? null;
            if (pick === null || there.length === 0) continue;
            const request = there[pick % there.length] as number;
            events.push({ kind: 'cancel', request });
            oracle.cancel(request);
            cancelled++;
          }
          live.step(events);
          expect([live.running, live.waiting, live.freeBlocks]).toEqual([[], [], limits.numBlocks - 1]);
        },
      ),
      runs(150),
    );
    expect(cancelled).toBeGreaterThan(0);
  });

  it('reads only what was written, whatever is cancelled and however little is accepted', () => {
    fc.assert(
      fc.property(
        schedulerCases,
        fc.array(fc.record({ what: fc.constantFrom('cancel', 'finish', 'yield', 'wait'), which: fc.nat(30) }), {
          maxLength: 60,
        }),
        ({ rows, limits: some }, actions) => {
          const limits = { ...some, ranks: 1 };
          const table = RequestTable.from(rows);
          const live = new LiveScheduler(liveLimits(limits));
          const cache = new KvCacheOracle(table, limits);
          const numbers = prefixNumbers();
          const fits = [...table].filter(
            (r) => Math.ceil((r.inputTokens + r.outputTokens) / limits.blockSize) <= limits.numBlocks - 1,
          );
          // A step computes a token at least, and what is preempted is computed again.
          const most =
            5000 + 10 * fits.reduce((sum, { inputTokens, outputTokens }) => sum + inputTokens + outputTokens, 0);
          let events: SchedulerEvent[] = [];
          for (let step = 0; fits.length > 0 || live.running.length + live.waiting.length > 0; step++) {
            const next = fits.shift();
            if (next !== undefined) {
              const { id, inputTokens, outputTokens, hashIds } = next;
              events.push(arrive(id, inputTokens, { maxTokens: outputTokens, prefix: numbers(hashIds) }));
            }
            const schedule = live.step(events);
            const advances = new Map(schedule.scheduled.map(({ request, advance }) => [request, advance]));
            events = [];
            const { what, which } = actions[step] ?? { what: 'wait', which: 0 };
            const chunk = schedule.scheduled[which];
            if (what === 'finish' && chunk?.lastChunk) events.push({ kind: 'finish', request: chunk.request });
            if (what === 'yield' && chunk?.phase === 'decode') {
              events.push({ kind: 'yield', request: chunk.request, tokens: chunk.queryLen });
              advances.set(chunk.request, chunk.queryLen);
            }
            const there = [...live.running, ...live.waiting];
            if (what === 'cancel' && there.length > 0) {
              events.push({ kind: 'cancel', request: there[which % there.length] as number });
            }
            cache.apply({
              ...schedule,
              scheduled: schedule.scheduled.map((one) => ({ ...one, advance: advances.get(one.request) as number })),
            });
            expect(step).toBeLessThan(most);
          }
          live.step(events);
          expect(live.freeBlocks).toBe(limits.numBlocks - 1);
        },
      ),
      runs(150),
    );
  });
});
