import { Faults, withoutUndefined } from '../../checks.js';
import type { Limits } from '../../config.js';

/** A ladder of decode graphs and the steps it is meant for. */
export interface LadderAuditOptions {
  /** Captured sizes in tokens, any order. */
  readonly sizes: readonly number[];
  /** The limits that say which decodes there can be. */
  readonly limits: Pick<Limits, 'maxNumSeqs' | 'maxNumBatchedTokens' | 'queryLen'>;
  /** Cost of a step by its tokens, up to the largest size. Default: its tokens. */
  readonly costs?: ArrayLike<number> | undefined;
  /** The largest size that was asked for, such as vLLM's `max_cudagraph_capture_size`. Default: unknown. */
  readonly asked?: number | undefined;
  /** Steps by size in tokens that were seen, to find graphs that no step ran on. Default: unknown. */
  readonly counts?: ArrayLike<number> | undefined;
}

/** A decode and the graph it runs on. */
export interface PaddedDecode {
  /** Tokens of the decode. */
  readonly tokens: number;
  /** Tokens of the graph. */
  readonly size: number;
  /** What padding adds, as a share of the decode itself. */
  readonly ratio: number;
}

/** The faults of a ladder, and its worst cases. */
export interface LadderAudit {
  /** Most tokens a decode can have: `queryLen` times the lesser of maxNumSeqs and maxNumBatchedTokens / queryLen. */
  readonly largestDecode: number;
  /** Sizes that no batch runs on: a smaller one holds all that they hold. Ascending. */
  readonly unreachable: readonly number[];
  /** Sizes with more tokens than the largest decode; the first of them may still be the graph that it runs on. Ascending. */
  readonly aboveLimit: readonly number[];
  /** Decodes that no graph holds; null where there are none. */
  readonly uncovered: {
    /** Tokens of the smallest. */
    readonly from: number;
    /** Tokens of the largest. */
    readonly to: number;
  } | null;
  /** The decode that is padded by the largest share of its tokens; null where every one runs eager. */
  readonly worstPadding: PaddedDecode | null;
  /** The decode whose cost padding raises by the largest share; null where every one runs eager. */
  readonly worstCost: PaddedDecode | null;
  /** Sizes that end below the one that was asked for; null where they do not, or `asked` is not given. */
  readonly truncated: {
    /** The largest size that was asked for, in tokens. */
    readonly asked: number;
    /** The largest that is captured, in tokens. */
    readonly captured: number;
  } | null;
  /** Sizes that no step seen ran on; null where none were given. Ascending. */
  readonly unused: readonly number[] | null;
}

/**
 * Audits a decode ladder before anything is captured. A step of r requests takes r * queryLen tokens, and runs as the smallest
 * size that holds them. Errors: ERR_CONFIG_INVALID with every fault at once.
 */
export function auditLadder(options: LadderAuditOptions): LadderAudit {
  const { sizes: given, limits, costs, counts, asked } = withoutUndefined(options) as LadderAuditOptions;
  const faults = new Faults();
  faults.names('audit options', options, ['sizes', 'limits', 'costs', 'counts', 'asked']);
  for (const name of ['maxNumSeqs', 'maxNumBatchedTokens', 'queryLen'] as const) {
    faults.integer(`limits.${name}`, limits?.[name], 1, 1 << 22);
  }
  for (const [index, size] of (given ?? []).entries()) faults.integer(`sizes[${index}]`, size, 1, 1 << 22);
  if (asked !== undefined) faults.integer('asked', asked, 1, 1 << 22);
  const sizes = [...new Set(given)].sort((a, b) => a - b);
  const largest = sizes.at(-1) ?? 0;
  faults.check(
    costs === undefined || costs.length > largest,
    `costs covers sizes up to ${(costs?.length ?? 0) - 1}; the ladder goes to ${largest}`,
  );
  faults.throwIfAny('This ladder');

  const { maxNumSeqs, maxNumBatchedTokens, queryLen } = limits;
  const requests = Math.min(maxNumSeqs, Math.floor(maxNumBatchedTokens / queryLen));
  const largestDecode = requests * queryLen;
  const reached = new Set<number>();
  let worstPadding: PaddedDecode | null = null;
  let worstCost: PaddedDecode | null = null;
  let step = 0;
  for (let tokens = queryLen; tokens <= Math.min(largestDecode, largest); tokens += queryLen) {
    while (sizes[step] < tokens) step++;
    const size = sizes[step];
    reached.add(size);
    worstPadding = worse(worstPadding, { tokens, size, ratio: (size - tokens) / tokens });
    if (costs !== undefined)
      worstCost = worse(worstCost, { tokens, size, ratio: (costs[size] - costs[tokens]) / costs[tokens] });
  }
  const held = Math.floor(largest / queryLen) * queryLen;
  return {
    largestDecode,
    unreachable: sizes.filter((size) => !reached.has(size)),
    aboveLimit: sizes.filter((size) => size > largestDecode),
    uncovered: held < largestDecode ? { from: held + queryLen, to: largestDecode } : null,
    truncated: asked !== undefined && largest < asked ? { asked, captured: largest } : null,
    worstPadding,
    worstCost: costs === undefined ? worstPadding : worstCost,
    unused: counts === undefined ? null : unused(sizes, counts),
  };
}

/** Ties go to the first: the smaller decode. */
function worse(worst: PaddedDecode | null, other: PaddedDecode): PaddedDecode {
  return worst !== null && worst.ratio >= other.ratio ? worst : other;
}

function unused(sizes: readonly number[], counts: ArrayLike<number>): number[] {
  return sizes.filter((size, index) => {
    for (let tokens = (sizes[index - 1] ?? 0) + 1; tokens <= Math.min(size, counts.length - 1); tokens++) {
      if (counts[tokens] > 0) return false;
    }
    return true;
  });
}
