import fc from 'fast-check';
import type { VoteIntent } from '../../dist/entry/planner.js';
import type { VotedChunk } from '../oracles/vote-oracle.js';
import type { PlannerSetup } from './planner-setup.js';

/** One edit, said with numbers that mean something in any state: `pick` chooses among what there is. */
export interface Edit {
  readonly kind: 'add' | 'schedule' | 'append' | 'advance' | 'remove' | 'preempt' | 'refused';
  readonly pick: number;
  readonly amount: number;
  readonly flag: boolean;
}

export interface PeerBatch {
  readonly kind: 'idle' | 'decode' | 'mixed';
  readonly lengths: readonly number[];
  readonly intent: VoteIntent;
}

export interface SessionStep {
  readonly edits: readonly Edit[];
  /** After the edits, every request that is not scheduled yet decodes too; one that is full makes way for another. */
  readonly everyone: boolean;
  /** Nobody has a prefill in this step. */
  readonly decodeOnly: boolean;
  readonly peers: readonly PeerBatch[];
  readonly intent: VoteIntent;
  /** Between the edits and what follows, the step is voted and the vote taken back. */
  readonly retracts: boolean;
  readonly ending: 'build' | 'abandon-vote' | 'abandon-decision' | 'fault';
  /** After the build, what was scheduled counts as computed, as in serving. */
  readonly advance: boolean;
  /**
   * Before the edits, the last step's decodes are continued: at once, after they were given the blocks they need (`fed`), with accepted drafts
   * and blocks in the same call (`given`), or by a call that advances and one that schedules them.
   */
  readonly continues: 'no' | 'at once' | 'fed' | 'given' | 'given, fed' | 'by hand';
  /** Chooses how many drafts of each were accepted. */
  readonly drafts: number;
  /** Before that, so many of the last step's decodes are removed, and after it as many requests added. */
  readonly turnover: number;
  /** The step's upload never reaches the device. */
  readonly lost: boolean;
}

const small = fc.nat(1 << 12);

const intentArbitrary: fc.Arbitrary<VoteIntent> = fc.oneof(
  { weight: 12, arbitrary: fc.constant({}) },
  { weight: 1, arbitrary: fc.constantFrom<VoteIntent>({ graphVeto: 'other' }, { graphVeto: 'embeddings-override' }) },
  { weight: 1, arbitrary: fc.constantFrom<VoteIntent>({ ubatchVeto: 'shared-block' }, { variant: 1 }) },
  { weight: 1, arbitrary: fc.constant({ leave: true }) },
);

const editArbitrary: fc.Arbitrary<Edit> = fc.record({
  kind: fc.constantFrom<Edit['kind'][]>(
    'add',
    'add',
    'add',
    'schedule',
    'schedule',
    'schedule',
    'schedule',
    'schedule',
    'append',
    'append',
    'advance',
    'remove',
    'preempt',
    'refused',
  ),
  pick: small,
  amount: small,
  flag: fc.boolean(),
});

export const peerArbitrary: fc.Arbitrary<PeerBatch> = fc.record({
  kind: fc.constantFrom('idle', 'decode', 'decode', 'decode', 'mixed'),
  lengths: fc.array(fc.nat(40), { maxLength: 7 }),
  intent: intentArbitrary,
});

const stepArbitrary: fc.Arbitrary<SessionStep> = fc.record({
  edits: fc.array(editArbitrary, { maxLength: 12 }),
  everyone: fc.constantFrom(true, true, true, false),
  decodeOnly: fc.boolean(),
  peers: fc.array(peerArbitrary, { minLength: 4, maxLength: 4 }),
  intent: intentArbitrary,
  retracts: fc.integer({ min: 0, max: 4 }).map((value) => value === 0),
  ending: fc.oneof(
    { weight: 17, arbitrary: fc.constant('build' as const) },
    { weight: 3, arbitrary: fc.constantFrom('abandon-vote' as const, 'abandon-decision' as const, 'fault' as const) },
  ),
  advance: fc.boolean(),
  continues: fc.constantFrom('no', 'at once', 'fed', 'fed', 'given', 'given, fed', 'given, fed', 'by hand'),
  drafts: small,
  turnover: fc.constantFrom(0, 0, 1, 2, 4),
  lost: fc.integer({ min: 0, max: 9 }).map((value) => value === 0),
});

/** Steps of a session, up to `most`, whatever the setup: peers beyond its ranks are left out. */
export function sessionOf(most: number): fc.Arbitrary<SessionStep[]> {
  return fc.array(stepArbitrary, { minLength: 1, maxLength: most, size: 'max' });
}

export const sessionArbitrary: fc.Arbitrary<SessionStep[]> = sessionOf(7);

/** A rank's batch within the limits all ranks share, decodes first. */
export function peerChunks(peer: PeerBatch, setup: PlannerSetup, decodeOnly: boolean): VotedChunk[] {
  const { maxNumSeqs, maxNumBatchedTokens, queryLen } = setup.limits;
  if (peer.kind === 'idle') return [];
  const chunks: VotedChunk[] = [];
  let left = maxNumBatchedTokens;
  for (const [index, length] of peer.lengths.slice(0, maxNumSeqs).entries()) {
    const phase = peer.kind === 'mixed' && !decodeOnly && index % 2 === 1 ? 'prefill' : 'decode';
    const tokens = Math.min(left, phase === 'decode' ? 1 + (length % queryLen) : 1 + length);
    if (tokens > 0) chunks.push({ phase, queryLen: tokens, seqLen: tokens + length });
    left -= tokens;
  }
  return [...chunks.filter(({ phase }) => phase === 'decode'), ...chunks.filter(({ phase }) => phase === 'prefill')];
}
