import { checkArguments, Faults } from '../../checks.js';
import { MAX_PARTS } from '../../layout/index.js';
import { decideRows, type EngineRow, MOST_TOKENS, tokensRow } from '../engine-rows.js';
import { namedPolicy } from '../policies.js';

/** A rank's row of ATOM's all-gather. */
export interface AtomVote {
  /** Tokens of this rank's batch. */
  readonly numTokens: number;
  /** Whether it holds a prefill. */
  readonly isPrefill: boolean;
  /** Enough tokens of its own for micro-batches; a decode always has. */
  readonly meetsMinTokens: boolean;
  /** Whether its batch can be cut into micro-batches. */
  readonly canSplit: boolean;
  /** Tokens of each micro-batch, which add up to `numTokens`; ignored for a rank that cannot be split. */
  readonly ubatchTokens: readonly number[];
}

/** What does not change from step to step. */
export interface AtomAgreementOptions {
  /** Its `enable_dp_attention`. Default true. */
  readonly dpAttention?: boolean;
}

/** What every rank derives from all rows. */
export interface AtomAgreement {
  /** No rank holds a prefill. A single rank says true whatever it holds. */
  readonly uniformDecode: boolean;
  /** Whether every rank cuts its batch. */
  readonly ubatching: boolean;
  /** By rank: tokens of the whole step. */
  readonly paddedTokens: readonly number[];
  /** By micro-batch, the largest of any rank; null without micro-batches, and for a single rank. */
  readonly ubatchMaxTokens: readonly number[] | null;
}

/**
 * What ATOM's ranks agree to, by our `resolve` under the policy `atom`. Errors: ERR_CONFIG_INVALID with every fault at once.
 * Source: ATOM's DPMetadata and its micro-batch sync.
 */
export async function agreeAtom(rows: readonly AtomVote[], options: AtomAgreementOptions = {}): Promise<AtomAgreement> {
  checkArguments('agreeAtom', { rows: [rows, 'objects'], options: [options, 'object'] });
  for (const row of rows) checkArguments('agreeAtom', { ubatchTokens: [row.ubatchTokens, 'list'] });
  const { dpAttention = true } = options;
  const numUbatches = check(rows);
  const votes = rows.map((row) => voteOf(row));
  const atom = namedPolicy('atom');
  const [whole, cut] = await Promise.all([
    decideRows(votes, atom),
    decideRows(votes, { ...atom, ubatches: numUbatches }),
  ]);
  const gather = whole.decision.parts[0]?.gather;
  const { parts } = cut.decision;
  return {
    uniformDecode:
      rows.length === 1 || !dpAttention || whole.decision.phase === 'decode' || whole.decision.phase === 'idle',
    ubatching: parts.length > 1,
    paddedTokens: rows.map(({ numTokens }, rank) => {
      // Without data-parallel attention every step is uniform: all ranks pad to the largest.
      if (!dpAttention && rows.length > 1) return Math.max(...rows.map((row) => row.numTokens));
      const tokens = gather?.tokensPerRank[rank] ?? 0;
      // Our eager step gives an idle rank a dummy token, which ATOM's counts do not include.
      return gather?.kind === 'padded' ? tokens : Math.min(tokens, numTokens);
    }),
    ubatchMaxTokens: parts.length > 1 && rows.length > 1 ? parts.map(({ paddedTokens }) => paddedTokens) : null,
  };
}

function voteOf({ numTokens, isPrefill, meetsMinTokens, canSplit, ubatchTokens }: AtomVote): EngineRow {
  const row = {
    ...tokensRow(numTokens, isPrefill),
    meetsMinimum: meetsMinTokens ? 1 : 0,
    canSplit: canSplit ? 1 : 0,
  };
  if (!canSplit) return row;
  const [part0Tokens = 0, part1Tokens = 0, part2Tokens = 0, part3Tokens = 0] = ubatchTokens;
  return { ...row, part0Tokens, part1Tokens, part2Tokens, part3Tokens };
}

/** Micro-batches of the rows. */
function check(rows: readonly AtomVote[]): number {
  const faults = new Faults();
  faults.check(rows.length > 0, 'rows is empty; it must have one for each rank');
  const numUbatches = rows[0]?.ubatchTokens.length ?? 2;
  faults.integer('micro-batches of rows[0]', numUbatches, 2, MAX_PARTS);
  for (const [rank, { numTokens, isPrefill, canSplit, ubatchTokens }] of rows.entries()) {
    const name = `rows[${rank}]`;
    if (!faults.integer(`${name}.numTokens`, numTokens, isPrefill ? 1 : 0, MOST_TOKENS) || !canSplit) continue;
    faults.check(
      ubatchTokens.length === numUbatches && ubatchTokens.every((tokens) => Number.isInteger(tokens) && tokens >= 0),
      `${name}.ubatchTokens is [${ubatchTokens.join(', ')}]; it must hold ${numUbatches} counts, as that of rows[0]`,
    );
    const sum = ubatchTokens.reduce((total, tokens) => total + tokens, 0);
    faults.check(sum === numTokens, `${name}.ubatchTokens make up ${sum} tokens; they must make up ${numTokens}`);
  }
  faults.throwIfAny('These votes');
  return numUbatches;
}
