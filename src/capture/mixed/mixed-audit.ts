import { Faults, withoutUndefined } from '../../checks.js';
import type { Limits } from '../../config.js';
import { shown } from '../../errors.js';
import { type CaptureKey, holds, type MixedStep, mixedKey } from '../../keys/index.js';
import { ENUMS } from '../../layout/index.js';
import { leastTokensOn, type Policy } from '../../policy/index.js';
import type { MixedCount } from '../../workload/index.js';
import type { MixedShape } from './mixed-grid.js';

/** Graphs for steps with a prefill and the steps they are meant for. */
export interface MixedAuditOptions {
  /** Any order. */
  readonly shapes: readonly MixedShape[];
  /** The limits that say which steps there can be. */
  readonly limits: Pick<Limits, 'maxNumSeqs' | 'maxNumBatchedTokens'>;
  /** Most tokens of a graph, as a multiple of a step's own; beyond it the step runs eager. Default: any. */
  readonly maxPaddingFactor?: number | undefined;
  /** Which graph holds a step, as a policy says it. Default 'slots'. */
  readonly mixedMatch?: Policy['mixedMatch'] | undefined;
  /** Steps that were seen, to find graphs that no step ran on. Default: unknown. */
  readonly mixed?: readonly MixedCount[] | undefined;
}

/** A range of tokens in which steps with the most prefills run eager. */
export interface EagerTokens {
  /** The least tokens of the range. */
  readonly from: number;
  /** The most tokens of the range. */
  readonly to: number;
  /** `no-key`: no graph holds them; else each graph that does pads them too far. */
  readonly reason: 'no-key' | 'padding-factor';
}

/** The faults of graphs for steps with a prefill, and their worst cases. */
export interface MixedAudit {
  /** Shapes that no batch runs on: an earlier one holds everything that they hold. */
  readonly unreachable: readonly MixedShape[];
  /** Steps within the limits that run eager, by tokens, ascending. */
  readonly eager: readonly EagerTokens[];
  /** The step, of as many prefills as it has room for, that is padded by the largest share of its tokens; null where all run eager. */
  readonly worstPadding: {
    /** Tokens of the step. */
    readonly tokens: number;
    /** Tokens of the graph. */
    readonly size: number;
    /** Padding over the tokens of the step. */
    readonly ratio: number;
  } | null;
  /** Shapes that no step seen ran on; null where none were given. */
  readonly unused: readonly MixedShape[] | null;
}

/**
 * Audits graphs for steps with a prefill before anything is captured. A step runs on the first that holds it, by tokens, then
 * prefill slots, then decode slots. Errors: ERR_CONFIG_INVALID with every fault at once.
 */
export function auditMixed(options: MixedAuditOptions): MixedAudit {
  const given = withoutUndefined(options) as MixedAuditOptions;
  const { shapes, limits, mixed, maxPaddingFactor = Infinity, mixedMatch = 'slots' } = given;
  const faults = new Faults();
  faults.names('audit options', options, ['shapes', 'limits', 'maxPaddingFactor', 'mixedMatch', 'mixed']);
  for (const name of ['maxNumSeqs', 'maxNumBatchedTokens'] as const) {
    faults.integer(`limits.${name}`, limits?.[name], 1, 1 << 22);
  }
  faults.check(maxPaddingFactor >= 1, `maxPaddingFactor is ${maxPaddingFactor}; it must be at least 1`);
  faults.check(
    Object.hasOwn(ENUMS.MIXED_MATCH, mixedMatch),
    `mixedMatch is ${shown(mixedMatch)}; it must be ${Object.keys(ENUMS.MIXED_MATCH).join(' or ')}`,
  );
  faults.throwIfAny('This audit');
  const ordered = [...shapes].sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]);
  const keys = ordered.map(([tokens, prefills, decodes]): CaptureKey => mixedKey(tokens, prefills, decodes, 1));
  const holding = (step: MixedStep): MixedShape | undefined =>
    ordered[keys.findIndex((key) => holds(key, step, mixedMatch))];
  const runs = (tokens: number, shape: MixedShape): boolean => tokens >= leastTokensOn(shape[0], maxPaddingFactor);

  const reachable = ordered.filter((shape) => {
    const [size, prefills, decodes] = shape;
    // The largest batch that this shape holds: an earlier shape that holds it holds every other one too.
    const tokens = Math.min(size, limits.maxNumBatchedTokens);
    const requests = Math.min(prefills + decodes, limits.maxNumSeqs, tokens);
    const prefillRequests = Math.min(prefills, requests);
    const decodeRequests = Math.min(decodes, requests);
    return runs(tokens, shape) && holding({ tokens, prefillRequests, decodeRequests, requests }) === shape;
  });
  const eager: EagerTokens[] = [];
  let worst: MixedAudit['worstPadding'] = null;
  for (let tokens = 1; tokens <= limits.maxNumBatchedTokens; tokens++) {
    const most = Math.min(tokens, limits.maxNumSeqs);
    const shape = holding({ tokens, prefillRequests: most, decodeRequests: 0, requests: most });
    if (shape === undefined) extend(eager, tokens, 'no-key');
    else if (!runs(tokens, shape)) extend(eager, tokens, 'padding-factor');
    else {
      const ratio = (shape[0] - tokens) / tokens;
      if (worst === null || ratio > worst.ratio) worst = { tokens, size: shape[0], ratio };
    }
  }
  const won = new Set(
    mixed?.map((step) => {
      const shape = holding(step);
      return shape !== undefined && runs(step.tokens, shape) ? shape : undefined;
    }),
  );
  return {
    unreachable: ordered.filter((shape) => !reachable.includes(shape)),
    eager,
    worstPadding: worst,
    unused: mixed === undefined ? null : ordered.filter((shape) => !won.has(shape)),
  };
}

/** Lengthens the last stretch by one number of tokens, or begins another. */
function extend(stretches: EagerTokens[], tokens: number, reason: EagerTokens['reason']): void {
  const last = stretches.at(-1);
  if (last !== undefined && last.to === tokens - 1 && last.reason === reason) {
    stretches[stretches.length - 1] = { ...last, to: tokens };
  } else stretches.push({ from: tokens, to: tokens, reason });
}
