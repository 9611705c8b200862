import { checkArguments, Faults } from '../../checks.js';

/** Where SGLang cuts a batch in two. */
export interface SglangSplit {
  /** First sequence of the second batch. It is in both batches where `token` lies inside it. */
  readonly sequence: number;
  /** First token of the second batch, in the packed one. */
  readonly token: number;
}

/** SGLang's `tbo_token_distribution_threshold`: below this share of tokens on one side, a sequence is cut. */
export const SGLANG_SPLIT_THRESHOLD = 0.48;

/**
 * Where two-batch overlap cuts prefills of `queryLens` tokens: at the sequence boundary that balances the halves best, at the later of two
 * equally good ones; or, if a half had less than `threshold` of the tokens, in the middle of a sequence, at half of all tokens.
 * A threshold of 0 never cuts a sequence. As in SGLang, the first half may be empty, or end with a sequence of no token.
 * Errors: ERR_CONFIG_INVALID. Source: SGLang `batch_overlap/two_batch_overlap.py`.
 */
export function sglangExtendSplit(
  queryLens: readonly number[],
  threshold: number = SGLANG_SPLIT_THRESHOLD,
): SglangSplit {
  checkArguments('sglangExtendSplit', { queryLens: [queryLens, 'list'] });
  const faults = new Faults();
  faults.number('threshold', threshold, 0, 0.5);
  for (const [index, length] of queryLens.entries()) faults.integer(`queryLens[${index}]`, length, 0, 2 ** 31 - 1);
  faults.throwIfAny('This split');
  const total = queryLens.reduce((sum, length) => sum + length, 0);
  let sequence = 0;
  let left = 0;
  let least = total;
  for (let index = 1, sum = queryLens[0]; index < queryLens.length; sum += queryLens[index++]) {
    const difference = Math.abs(total - 2 * sum);
    if (difference > least) break;
    least = difference;
    sequence = index;
    left = sum;
  }
  const uneven = left < total * threshold || left > total * (1 - threshold);
  if (threshold === 0 || !uneven) return { sequence, token: left };
  const token = Math.floor(total / 2);
  return { sequence: sequenceOf(queryLens, token), token };
}

/** Where it cuts decodes (or the drafts it verifies) of `tokensPerSequence` tokens each: half of the sequences, rounded down. */
export function sglangDecodeSplit(tokens: number, tokensPerSequence: number): SglangSplit {
  const faults = new Faults();
  faults.integer('tokens', tokens, 0, 2 ** 31 - 1);
  faults.integer('tokensPerSequence', tokensPerSequence, 1, 2 ** 31 - 1);
  faults.throwIfAny('This split');
  const sequence = Math.floor(Math.floor(tokens / tokensPerSequence) / 2);
  return { sequence, token: sequence * tokensPerSequence };
}

/** The first sequence that ends past `token`; 0 of an empty batch. */
function sequenceOf(queryLens: readonly number[], token: number): number {
  let end = 0;
  for (const [index, length] of queryLens.entries()) {
    end += length;
    if (end > token) return index;
  }
  return 0;
}
