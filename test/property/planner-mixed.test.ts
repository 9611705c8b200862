import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assertShapeContract, type DecisionValue, type StepPlanner } from '../../dist/entry/planner.js';
import { DECISION_WORDS, decisionPart, ENUMS, PART_WORDS, word } from '../../dist/layout/layout.js';
import { loadModules } from '../../dist/memory/modules.js';
import { devicePort } from '../../dist/planner/index.js';
import { buildPlain, type MixedRows } from '../oracles/metadata-oracle.js';
import { differenceFromPlain } from '../support/planner-compare.js';
import { PlannerSession } from '../support/planner-session.js';
import { setupArbitrary } from '../support/planner-setup.js';
import { FULL_RUN, runs } from '../support/property-runs.js';
import { sessionArbitrary } from '../support/session-steps.js';

const modules = await loadModules();

/** A decision of this session's one rank, as numbers that mean something for any batch. */
interface Written {
  readonly piecewise: boolean;
  readonly decodes: number;
  readonly prefills: number;
  readonly tokens: number;
}

const writtenArbitrary: fc.Arbitrary<Written> = fc.record({
  piecewise: fc.integer({ min: 0, max: 2 }).map((value) => value === 0),
  decodes: fc.nat(1000),
  prefills: fc.nat(1000),
  tokens: fc.nat(1000),
});

/** Writes a graph that holds the batch into the decision's words: a mixed one, or a piecewise one of one or more parts. */
function write(planner: StepPlanner, written: Written, batch: { tokens: number; decodes: number; prefills: number }) {
  const { words } = planner.decision;
  const { maxPaddedRequests, maxPaddedTokens } = devicePort(planner).regions.sizes;
  const between = (low: number, high: number, pick: number): number => low + (pick % (high - low + 1));
  const prefills = between(Math.max(1, batch.prefills), maxPaddedRequests, written.prefills);
  // Decodes that find no decode row take spare prefill rows.
  const least = Math.max(0, batch.decodes - (prefills - batch.prefills));
  const fits = least <= maxPaddedRequests - prefills;
  const mixed: MixedRows = fits
    ? { prefills, decodes: between(least, maxPaddedRequests - prefills, written.decodes) }
    : { prefills: maxPaddedRequests - batch.decodes, decodes: batch.decodes };
  const set = (name: (typeof DECISION_WORDS)[number], value: number): void => {
    words[word(DECISION_WORDS, name)] = value;
  };
  const tokens = between(Math.max(1, batch.tokens), maxPaddedTokens, written.tokens);
  const { piecewise } = written;
  const parts =
    piecewise && planner.policy.ubatches > 1 && tokens >= planner.policy.ubatches ? planner.policy.ubatches : 1;
  set('run', piecewise ? ENUMS.RUN.piecewise : ENUMS.RUN.full);
  set('parts', parts);
  set('paddedTokens', tokens);
  set('paddedRequests', piecewise ? 0 : mixed.decodes + mixed.prefills);
  set('paddedPrefillRequests', piecewise ? 0 : mixed.prefills);
  set('paddedDecodeRequests', piecewise ? 0 : mixed.decodes);
  set('queryLen', 0);
  for (let part = 0; part < parts; part++) {
    const share = Math.floor((tokens * (part + 1)) / parts) - Math.floor((tokens * part) / parts);
    const at = decisionPart(part, 1);
    words[at + word(PART_WORDS, 'paddedTokens')] = share;
    words[at + word(PART_WORDS, 'paddedRequests')] = parts > 1 || piecewise ? 0 : mixed.decodes + mixed.prefills;
    words[at + PART_WORDS.length] = share;
  }
  return { mixed: piecewise ? undefined : mixed, decision: planner.decision.snapshot() satisfies DecisionValue };
}

describe('graphs of mixed steps', () => {
  it('give each kernel only the rows it can take, and hold the plain tensors after any sequence of steps', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(setupArbitrary, sessionArbitrary, fc.infiniteStream(writtenArbitrary), (setup, steps, stream) => {
        const alone = { ...setup, rank: 0, ranks: 1, plan: { keys: [] } };
        const session = new PlannerSession(modules, alone, [false, true]);
        for (const step of steps) {
          for (const edit of step.edits) session.edit(edit, step.decodeOnly);
          const entries = session.batch.entries();
          const written: Written = stream.next().value ?? { piecewise: false, decodes: 0, prefills: 0, tokens: 0 };
          const decodes = entries.filter(({ phase }) => phase === 'decode').length;
          const counts = { tokens: session.batch.tokens, decodes, prefills: entries.length - decodes };
          for (const planner of session.planners) {
            if (entries.length === 0) continue;
            planner.resolve(planner.vote());
            const { decision, mixed } = write(planner, written, counts);
            const plain = buildPlain(entries, decision, 0, alone.limits, [], {
              mixed,
              padding: alone.padding,
              csr: alone.tensors.csr,
            });
            const local = planner.build(planner.decision);
            expect(differenceFromPlain(local, plain)).toBeUndefined();
            assertShapeContract(planner.decision, local);
            const order = [...local.order.subarray(0, local.rows)];
            expect(order.filter((row) => row >= 0)).toEqual(entries.map(({ row }) => row));
            if (mixed === undefined) {
              seen.add(`piecewise of ${Math.min(2, local.partCount)}`);
              continue;
            }
            // A prefill never stands in a decode row, and the rows it cannot use are a gap.
            for (const [row, request] of order.entries()) {
              const found = entries.find((entry) => entry.row === request);
              if (found?.phase === 'prefill') expect(row).toBeGreaterThanOrEqual(mixed.decodes);
              if (found === undefined) expect(row).toBeLessThan(mixed.decodes);
            }
            if (local.rows > local.requests) seen.add('gap');
            if (decodes > mixed.decodes) seen.add('a decode in a prefill row');
          }
          session.endStep(step.advance);
        }
      }),
      runs(1500),
    );
    const kinds = ['a decode in a prefill row', 'gap', 'piecewise of 1', 'piecewise of 2'];
    if (FULL_RUN) expect([...seen].sort()).toEqual(kinds);
  });
});
