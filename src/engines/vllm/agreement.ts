import type { RunKind } from '../../agreement/index.js';
import { checkArguments, Faults } from '../../checks.js';
import { decodeKey, piecewiseKey } from '../../keys/index.js';
import { ENUMS, MAX_PARTS } from '../../layout/index.js';
import { decideRows, MOST_TOKENS, tokensRow } from '../engine-rows.js';
import { namedPolicy } from '../policies.js';

/** vLLM's runtime modes, the least of which all ranks take. */
export type VllmGraphMode = 'none' | 'piecewise' | 'full';

/** A rank's column of the tensor that vLLM V1 reduces over data-parallel ranks. */
export interface VllmVote {
  /** Real tokens. */
  readonly numTokens: number;
  /** Tokens after padding to the rank's own graph. */
  readonly paddedTokens: number;
  /** Whether this rank wants micro-batches. */
  readonly wantsUbatch: boolean;
  /** The kind of graph that it found. */
  readonly graphMode: VllmGraphMode;
}

/** What every rank derives from all columns. */
export interface VllmAgreement {
  /** The least kind that any rank found. */
  readonly graphMode: VllmGraphMode;
  /** Whether every rank cuts its batch. */
  readonly ubatching: boolean;
  /** By rank. */
  readonly paddedTokens: readonly number[];
}

/** The votes of one step of vLLM's data-parallel ranks. */
export interface VllmAgreementOptions {
  /** vLLM's num_ubatches, from 2. */
  readonly numUbatches: number;
  /** One a rank. */
  readonly rows: readonly VllmVote[];
}

const MODES: Readonly<Record<RunKind, VllmGraphMode>> = {
  full: 'full',
  piecewise: 'piecewise',
  eager: 'none',
  park: 'none',
};

/**
 * What vLLM's V1 runner agrees to, by our `resolve` under the policy `vllm-v1`: every size that a rank padded to is captured,
 * full and piecewise, plain and with micro-batches, so that only the agreement decides. Where no rank has a token nothing
 * runs, and the counts stay as they are. Errors: ERR_CONFIG_INVALID with every fault at once.
 * Source: vLLM's coordinate_batch_across_dp.
 */
export async function agreeVllm(options: VllmAgreementOptions): Promise<VllmAgreement> {
  checkArguments('agreeVllm', { options: [options, 'object', 'numUbatches', 'rows'] });
  const { numUbatches, rows } = options;
  checkArguments('agreeVllm', { rows: [rows, 'objects'] });
  check(numUbatches, rows);
  const sizes = [...new Set(rows.map(({ paddedTokens }) => paddedTokens))].filter((size) => size > 0);
  const keys = sizes.flatMap((size) => [decodeKey(size, 1, 1), decodeKey(size, 1, numUbatches), piecewiseKey(size)]);
  const votes = rows.map(({ numTokens, paddedTokens, wantsUbatch, graphMode }) => ({
    ...tokensRow(numTokens, false),
    paddedTokens,
    wantsUbatches: wantsUbatch ? 1 : 0,
    graphMode: ENUMS.MODE[graphMode],
  }));
  const policy = { ...namedPolicy('vllm-v1'), ubatches: numUbatches };
  const { decision, agreedParts } = await decideRows(votes, policy, keys);
  const { run, parts, paddedTokens } = decision;
  const ubatching = agreedParts > 1;
  const padded = run !== 'park' && (run !== 'eager' || ubatching);
  // With fewer tokens than micro-batches vLLM makes empty micro-batches; ours have at least one token each.
  const most = Math.min(paddedTokens, Math.max(...rows.map((row) => row.paddedTokens)));
  return {
    graphMode: MODES[run],
    ubatching,
    paddedTokens: rows.map((row, rank) => {
      if (padded) return most;
      // Our eager step gives an idle rank a dummy token, which vLLM's counts do not include.
      return Math.min(parts[0]?.gather.tokensPerRank[rank] ?? row.paddedTokens, row.paddedTokens);
    }),
  };
}

function check(numUbatches: number, rows: readonly VllmVote[]): void {
  const faults = new Faults();
  faults.integer('numUbatches', numUbatches, 2, MAX_PARTS);
  faults.check(rows.length > 0, 'rows is empty; it must have one for each rank');
  for (const [rank, { numTokens, paddedTokens }] of rows.entries()) {
    if (faults.integer(`rows[${rank}].numTokens`, numTokens, 0, MOST_TOKENS)) {
      faults.integer(`rows[${rank}].paddedTokens`, paddedTokens, numTokens, MOST_TOKENS);
    }
  }
  faults.throwIfAny('These votes');
}
