import fc from 'fast-check';
import { expect, it } from 'vitest';
import { DEFAULT_LIMITS, LockstepError, type Row, StepPlanner } from '../../dist/entry/planner.js';
import { STATE_WORDS, word } from '../../dist/layout/layout.js';
import { loadModules } from '../../dist/memory/modules.js';
import { devicePort } from '../../dist/planner/index.js';
import { METADATA_BUILDS } from '../support/metadata-builds.js';
import { FULL_RUN, runs } from '../support/property-runs.js';

const builds = await Promise.all(
  METADATA_BUILDS.map(async ([name, wasm]) => ({ name, modules: await loadModules(wasm) })),
);
const LIMITS = {
  ...DEFAULT_LIMITS,
  ...{ maxNumSeqs: 10, maxNumBatchedTokens: 20, maxModelLen: 64, numBlocks: 400 },
  ...{ blockSize: 2, kernelBlockSize: 2 },
};

/** The step of a run in which every written block was last seen to have one holder, or -1. */
const SEEN_ALONE = word(STATE_WORDS, 'seenAlone');

interface Held {
  readonly blocks: number[];
  computed: number;
}

const stepsArbitrary = fc.array(
  fc.record({
    /** What each request that needs a block is given: its own, or, of 0, one that another holds. */
    takes: fc.array(fc.nat(30), { minLength: 5, maxLength: 5 }),
    /** Beside the decodes comes a request that holds a block of another, which it has computed or not; or one leaves. */
    idle: fc.constantFrom('none', 'none', 'none', 'none', 'computed', 'held', 'leaves'),
    /** A decode ends before the others go on, or one joins them after, with a block of its own or of another; or a prompt does. */
    changes: fc.constantFrom(
      'none',
      'none',
      'ends',
      'joins',
      'joins',
      'shares',
      'prompt',
      'prompt shares',
      'begins',
      'prompt begins',
    ),
    pick: fc.nat(1000),
    abandons: fc.integer({ min: 0, max: 7 }).map((value) => value === 0),
  }),
  { minLength: 3, maxLength: 14, size: 'max' },
);

const buildArbitrary = fc.constantFrom(...builds);

/** A block that requests hold together, which they may come to write. */
const SHARED = 1;

/** A decode's first position, and whether the blocks that it holds beyond are shared. */
const startArbitrary = fc.record({
  start: fc.nat(5),
  ahead: fc.array(
    fc.nat(4).map((value) => value === 0),
    { maxLength: 3 },
  ),
});

/** What a vote comes to. */
function outcome(planner: StepPlanner): string {
  try {
    planner.vote();
    return 'taken';
  } catch (error) {
    if (error instanceof LockstepError) return error.code;
    throw error;
  }
}

it('in the checked mode, continued decodes are refused in the very step in which a planner that looks at all blocks refuses', () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(
      buildArbitrary,
      stepsArbitrary,
      fc.array(startArbitrary, { minLength: 1, maxLength: 5 }),
      ({ name, modules }, steps, starts) => {
        const planner = new StepPlanner(modules, { limits: LIMITS, checked: true, poison: true });
        const state = new Int32Array(
          devicePort(planner).arena.buffer,
          devicePort(planner).regions.region('state').offset,
        );
        let unused = SHARED + 1;
        const decodes = new Map<Row, Held>();
        const idle = new Map<Row, Held>();
        const add = (into: Map<Row, Held>, held: Held): Row => {
          const row = planner.requests.add({ blockIds: held.blocks, numComputedTokens: held.computed });
          into.set(row, held);
          return row;
        };
        for (const { start, ahead } of starts) {
          const own = Array.from({ length: Math.floor(start / 2) + 1 }, () => unused++);
          const blocks = [...own, ...ahead.map((shared) => (shared ? SHARED : unused++))];
          planner.requests.schedule(add(decodes, { blocks, computed: start }), { phase: 'decode', queryLen: 1 });
        }
        for (const [number, { takes, idle: comes, changes, pick, abandons }] of steps.entries()) {
          let prompt: { row: Row; held: Held } | undefined;
          const all = [...decodes.values(), ...idle.values()].flatMap(({ blocks }) => blocks);
          if (number > 0) {
            for (const [index, [row, held]] of [...decodes].entries()) {
              held.computed += 1;
              if (held.computed < 2 * held.blocks.length) continue;
              const block = takes[index] === 0 ? all[pick % all.length] : unused++;
              planner.requests.appendBlocks(row, [block]);
              held.blocks.push(block);
            }
            const last = [...idle.keys()].at(-1);
            if (comes === 'leaves' && last !== undefined) {
              planner.requests.remove(last);
              idle.delete(last);
            } else if ((comes === 'computed' || comes === 'held') && idle.size < 5 && decodes.size + idle.size < 9) {
              add(idle, { blocks: [all[pick % all.length]], computed: comes === 'computed' ? 2 : pick % 2 });
            }
            if (changes === 'ends' && decodes.size > 1) {
              const gone = [...decodes.keys()][pick % decodes.size];
              planner.requests.remove(gone);
              decodes.delete(gone);
            }
            planner.requests.continueDecodes();
            const block = changes === 'shares' || changes === 'prompt shares' ? all[pick % all.length] : unused++;
            // One that was there before, with a block that others may have, runs for the first time.
            const waiting = [...idle].find(([, { computed }]) => computed < 2);
            if (changes.endsWith('begins') && waiting !== undefined) {
              const [row, held] = waiting;
              idle.delete(row);
              if (changes === 'begins') {
                decodes.set(row, held);
                planner.requests.schedule(row, { phase: 'decode', queryLen: 1 });
              } else {
                prompt = { row, held };
                planner.requests.schedule(row, { phase: 'prefill', queryLen: 2 - held.computed });
              }
            } else if (changes === 'joins' || changes === 'shares') {
              if (decodes.size + idle.size < LIMITS.maxNumSeqs) {
                planner.requests.schedule(add(decodes, { blocks: [block], computed: 1 }), {
                  phase: 'decode',
                  queryLen: 1,
                });
              }
            } else if (changes.startsWith('prompt') && decodes.size + idle.size < LIMITS.maxNumSeqs) {
              const held = { blocks: [unused++, block], computed: 0 };
              prompt = { row: add(idle, held), held };
              idle.delete(prompt.row);
              planner.requests.schedule(prompt.row, { phase: 'prefill', queryLen: 3 });
            }
          }
          const whole = new StepPlanner(modules, { limits: LIMITS, checked: true });
          for (const { blocks, computed } of idle.values()) {
            whole.requests.add({ blockIds: blocks, numComputedTokens: computed });
          }
          for (const { blocks, computed } of decodes.values()) {
            const row = whole.requests.add({ blockIds: blocks, numComputedTokens: computed });
            whole.requests.schedule(row, { phase: 'decode', queryLen: 1 });
          }
          if (prompt !== undefined) {
            const row = whole.requests.add({ blockIds: prompt.held.blocks, numComputedTokens: prompt.held.computed });
            whole.requests.schedule(row, {
              phase: 'prefill',
              queryLen: prompt.held.blocks.length + 1 - prompt.held.computed,
            });
          }
          const before = state[SEEN_ALONE];
          const found = outcome(planner);
          expect(found).toBe(outcome(whole));
          seen.add(`${found}, ${before < 1 ? 'by all' : 'by what changed'}, ${name}`);
          if (found !== 'taken') return;
          if (abandons) {
            planner.abandon();
            return;
          }
          planner.build(planner.resolve(planner.table));
          if (prompt !== undefined) planner.requests.remove(prompt.row);
        }
      },
    ),
    runs(3000),
  );
  if (!FULL_RUN) return;
  const outcomes = [
    'ERR_BLOCK_CONFLICT, by all',
    'ERR_BLOCK_CONFLICT, by what changed',
    'taken, by all',
    'taken, by what changed',
  ];
  expect([...seen].sort()).toEqual(outcomes.flatMap((one) => builds.map(({ name }) => `${one}, ${name}`)));
});
