import type { RawIntent, RawRules } from '../agreement/index.js';
import { ENUMS, FACT_WORDS, recordOf, VOTE_WORDS, word } from '../layout/index.js';
import { type Batch, batchesOf, fills, IDLE, representatives } from './batches.js';

/** One rank's state between two steps, as its vote describes it. */
export interface LocalState {
  /** int32[32]. */
  readonly row: Int32Array;
  /** "8 decodes of 2 tokens", "idle, wants to leave", … */
  readonly label: string;
}

/** The state of a replica: one state for each of its ranks. All hold one batch, and may differ in what each can do. */
export type ReplicaState = readonly LocalState[];

/** Step of every vote, so that a decision may come before it. */
export const STEP = 1;

/** Any fault code; 0 would mean no fault. */
const FAULT_CODE = 7;

/** What a rank's vote says besides its batch. */
interface Description {
  readonly intent: RawIntent;
  /** How a trace words it. */
  readonly note: string;
}

const NOTHING: Description = { intent: {}, note: '' };
const LEAVES: Description = { intent: { control: ENUMS.CONTROL.leave }, note: ', wants to leave' };
const FAULTY: Description = { intent: { control: ENUMS.CONTROL.fault, faultCode: FAULT_CODE }, note: ', faulty' };
const VETOES_GRAPHS: Description = {
  intent: { graphVeto: ENUMS.VETO['embeddings-override'] },
  note: ', vetoes graphs',
};
const VETOES_UBATCHES: Description = {
  intent: { ubatchVeto: ENUMS.VETO['shared-block'] },
  note: ', vetoes micro-batches',
};

function ofVariant(variant: number): Description {
  return { intent: { variant }, note: `, variant ${variant}` };
}

/**
 * The local states in which the rules can decide differently: counts at, below and above each key and threshold, every phase,
 * idle, short drafts, vetoes, variants, faults, leaving. Facts come from the metadata module and votes from the rules, as in
 * a planner. States that vote alike are one. Idle first, then by tokens: the first violation found is a small one.
 */
export function localStates(rules: RawRules): LocalState[] {
  const states = new Map<string, LocalState>();
  for (const [batch, { intent, note }] of statesToVote(rules)) {
    const row = voteOf(rules, batch, intent);
    const id = row.join();
    if (!states.has(id)) states.set(id, { row, label: `${batch.label}${note}` });
  }
  const tokens = ({ row }: LocalState): number => row[word(VOTE_WORDS, 'tokens')];
  return [...states.values()].sort((a, b) => tokens(a) - tokens(b));
}

/**
 * The states of a replica of `size` ranks: every combination of local states of its ranks that the rule for
 * replicas accepts. `rules` are for replicas of that size.
 */
export function replicaStates(rules: RawRules, local: readonly LocalState[], size: number): ReplicaState[] {
  if (size === 1) return local.map((state) => [state]);
  const batches: LocalState[][] = [];
  for (const state of local) {
    const alike = batches.find(([first]) => goTogether(rules, first, state));
    if (alike === undefined) batches.push([state]);
    else alike.push(state);
  }
  return batches.flatMap((states) => sequences(states, size));
}

function* statesToVote({ limits, policy, keys }: RawRules): Generator<readonly [Batch, Description]> {
  const batches = batchesOf({ limits, policy, keys });
  const some = representatives(batches, policy);
  yield [IDLE, NOTHING];
  yield [IDLE, LEAVES];
  for (const batch of batches) yield [batch, NOTHING];
  // Graphs of a variant serve the same batches as the plain ones.
  const variants = new Set(keys.map(({ variant }) => variant));
  for (const variant of variants) for (const batch of batches) yield [batch, ofVariant(variant)];
  // What a vote says besides its batch has the same effect for all batches of a kind: a few of each phase stand for them.
  for (const batch of [IDLE, ...some]) {
    yield [batch, VETOES_GRAPHS];
    if (policy.ubatches > 1) yield [batch, VETOES_UBATCHES];
  }
  // A veto of micro-batches makes the plain twin of each size run, on one rank too.
  for (const batch of batches) {
    if (keys.some((key) => key.parts > 1 && fills(batch, key))) yield [batch, VETOES_UBATCHES];
  }
  const unknown = Math.max(0, ...variants) + 1;
  for (const batch of some) {
    yield [batch, ofVariant(unknown)];
    yield [batch, LEAVES];
  }
  yield [IDLE, FAULTY];
  yield [batches[0] ?? IDLE, FAULTY];
}

function voteOf(rules: RawRules, batch: Batch, intent: RawIntent): Int32Array {
  const { metadata } = rules.memory;
  metadata.state_init();
  const requests = rules.memory.requests(() => {});
  for (const [index, chunk] of batch.chunks.entries()) {
    requests.schedule(requests.add({ blockIds: [index + 1] }), chunk);
  }
  metadata.gather_facts(rules.policy.ubatches);
  const facts = [...rules.memory.words('facts')];
  const named = recordOf(FACT_WORDS, facts);
  return rules.vote(0, named, { ...intent, step: STEP }).slice();
}

/** Whether two ranks of one replica may be in these states. */
function goTogether({ rules, table, rows }: RawRules, first: LocalState, second: LocalState): boolean {
  rows[0].set(first.row);
  rows[1].set(second.row);
  return rules.replicaOutlier(table.byteOffset, 2) < 0;
}

/** Every sequence of `length` of these states. */
function sequences(states: readonly LocalState[], length: number): ReplicaState[] {
  if (length === 0) return [[]];
  return sequences(states, length - 1).flatMap((before) => states.map((state) => [...before, state]));
}
