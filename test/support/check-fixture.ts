import type { RawRules } from '../../dist/agreement/raw-rules.js';
import { rulesOf } from '../../dist/check/checked-rules.js';
import type { LocalState, ReplicaState } from '../../dist/check/domain.js';
import { type CheckedPair, HISTORICAL, standardDomain } from '../../dist/check/index.js';
import type { Property } from '../../dist/check/properties.js';
import type { CaptureKey, Policy } from '../../dist/entry/planner.js';
import { PROPERTIES, VOTE_WORDS } from '../../dist/layout/layout.js';
import { loadModules, type PlannerModules } from '../../dist/memory/modules.js';

/** Rules over a pair, with its local states and room to judge a table. */
export interface CheckFixture {
  readonly pair: CheckedPair;
  readonly rules: RawRules;
  readonly local: readonly LocalState[];
  readonly replicas: readonly ReplicaState[];
}

let builtIn: Promise<PlannerModules> | undefined;

/** The rules of a pair for `ranks` ranks; `modules` other than the built-in ones where a mutation is tried. */
export async function fixtureOf(
  pair: CheckedPair,
  ranks: number,
  modules?: PlannerModules,
  replicaSize = 1,
): Promise<CheckFixture> {
  builtIn ??= loadModules();
  return { pair, ...rulesOf(modules ?? (await builtIn), pair, ranks, replicaSize) };
}

/** Puts the votes of local states into the table. */
export function placeTable({ rules, local }: CheckFixture, states: readonly number[]): void {
  for (const [rank, index] of states.entries()) rules.table.set(local[index].row, rank * VOTE_WORDS.length);
}

/** Resolves the table as it stands; the status word. */
export function resolveTable({ rules }: CheckFixture, previous = 0): number {
  return rules.rules.resolve(rules.table.byteOffset, rules.ranks, previous, rules.decision.words.byteOffset);
}

/** The properties that the decision, as it stands, breaks for the table, as it stands. */
export function judgeTable({ rules }: CheckFixture): Property[] {
  const actions = rules.regions.region('check').offset;
  const bits = rules.rules.judge(rules.table.byteOffset, rules.ranks, rules.decision.words.byteOffset, actions);
  return PROPERTIES.filter((_, index) => (bits & (1 << index)) !== 0);
}

/** Index of the local state with this label. */
export function stateCalled({ local }: CheckFixture, label: string): number {
  const index = local.findIndex((state) => state.label === label);
  if (index < 0) throw new RangeError(`no local state is called ${label}`);
  return index;
}

/** The standard domain of `policy` with other keys. */
export function pairOver(policy: Partial<Policy>, change: (keys: readonly CaptureKey[]) => CaptureKey[]): CheckedPair {
  const pair = standardDomain(policy);
  return { ...pair, plan: { keys: change(pair.plan.keys) } };
}

/** Policies that between them take every choice of the rules. */
export const PAIRS: readonly (readonly [name: string, pair: CheckedPair])[] = [
  ['lockstep', standardDomain({})],
  ['alignment 2', standardDomain({ tokenAlignment: 2 })],
  ['3 micro-batches', standardDomain({ ubatches: 3, name: 'three' })],
  ['4 micro-batches, alignment 2', standardDomain({ ubatches: 4, tokenAlignment: 2, name: 'four' })],
  ['hysteresis 4', standardDomain({ ubatchHysteresis: 4 })],
  ['one custom all-gather', standardDomain({ exclusiveResources: ['custom-all-gather'] })],
  ['strict slots, no padding limit', standardDomain({ mixedMatch: 'strict', maxPaddingFactor: 1000 })],
  ['no empty eager part', standardDomain({ eagerEmptyPart: 'plain' })],
  ['enforced eager', pairOver({ enforceEager: true }, () => [])],
  [
    'two variants, no piecewise',
    pairOver({}, (keys) => keys.filter(({ mode }) => mode === 'full').flatMap((key) => [key, { ...key, variant: 1 }])),
  ],
  ...HISTORICAL.map(({ name, pair }) => [`${name}, fixed`, pair('fixed')] as const),
];
