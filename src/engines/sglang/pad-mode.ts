import { checkArguments, Faults } from '../../checks.js';
import { decideRows, MOST_TOKENS, tokensRow } from '../engine-rows.js';
import { namedPolicy } from '../policies.js';

/** SGLang's DpPaddingMode: every rank padded to the largest and gathered, or padded to the sum and reduced. */
export type SglangPadMode = 'max-len' | 'sum-len';

/** The inputs of SGLang's `DpPaddingMode.get_dp_padding_mode`. */
export interface SglangPadOptions {
  /** Tokens of each data-parallel rank; 0: idle. */
  readonly tokensPerRank: readonly number[];
  /** Some rank extends: it holds a prefill. */
  readonly anyExtend: boolean;
  /** Ranks of one attention group: counts are multiples of it. Default 1 (attn_tp_size). */
  readonly tokenAlignment?: number;
}

/**
 * How SGLang pads what the ranks gather in an eager step without an all-to-all backend, by our `resolve` under the policy
 * `sglang`; an idle step gives `max-len`. Errors: ERR_CONFIG_INVALID with every fault at once.
 * Source: SGLang's DpPaddingMode.get_dp_padding_mode.
 */
export async function sglangPadMode(options: SglangPadOptions): Promise<SglangPadMode> {
  checkArguments('sglangPadMode', { options: [options, 'object', 'tokensPerRank'] });
  checkArguments('sglangPadMode', { tokensPerRank: [options.tokensPerRank, 'list'] });
  const { tokensPerRank, anyExtend, tokenAlignment = 1 } = options;
  const faults = new Faults();
  faults.check(tokensPerRank.length > 0, 'tokensPerRank is empty; it must have a count for each rank');
  for (const [rank, tokens] of tokensPerRank.entries()) {
    faults.integer(`tokensPerRank[${rank}]`, tokens, 0, MOST_TOKENS);
  }
  faults.check(!anyExtend || tokensPerRank.some((tokens) => tokens > 0), 'anyExtend is true, and no rank has a token');
  faults.integer('tokenAlignment', tokenAlignment, 1, 1 << 16);
  faults.throwIfAny('These tokens');
  // The input does not say which rank extends, and it does not matter.
  const rows = tokensPerRank.map((tokens) => tokensRow(tokens, anyExtend));
  const { decision } = await decideRows(rows, { ...namedPolicy('sglang'), tokenAlignment });
  return decision.parts[0]?.gather.kind === 'sum' ? 'sum-len' : 'max-len';
}
