import { DEFAULT_LIMITS, Faults, type Limits } from '../config.js';
import { LockstepError, shown } from '../errors.js';
import { ENGINE_NAMES, type EngineName } from '../names.js';
import { ascending } from '../numbers.js';
import { atomCaptureSizes } from './atom/ladder.js';
import { type MegatronConfig, type MegatronShape, megatronGraphTokens, megatronShapes } from './megatron/ladder.js';
import { type RuleVersion, ruleVersion } from './rule-versions.js';
import { sglangAlignSizes, sglangDecodeSizes, sglangMaxBatch } from './sglang/ladder.js';
import { TRTLLM_DEFAULT_MAX_BATCH, trtllmDecodeSizes, trtllmEngineFilter } from './trtllm/ladder.js';
import { vllmDecodeSizes, vllmLadder } from './vllm/ladder.js';

/** What an engine's ladder depends on; the planner's limits have all of it. */
export type EngineLimits = Pick<Limits, 'maxNumSeqs' | 'maxNumBatchedTokens' | 'queryLen'> &
  Partial<Pick<Limits, 'maxModelLen'>>;

/** What an engine captures by default. */
export interface EngineLadder {
  readonly engine: EngineName;
  /** Version of the engine's rules that these sizes follow; see `ENGINE_RULES`. */
  readonly version: RuleVersion;
  /** In tokens, ascending. vLLM has one list for all steps. */
  readonly sizes: number[];
  /** Tokens of the graphs that hold decodes alone, ascending. */
  readonly decodeSizes: number[];
  /** Shapes of graphs for steps with prefills, in the engine's order. Megatron alone has them. */
  readonly mixed?: MegatronShape[];
  /** The largest size that vLLM asks for by default, where its list ends below it; else null. */
  readonly truncated: number | null;
  /** Caveats for comparing these sizes with others. */
  readonly notes: string[];
}

/** If an engine has no separate decode sizes, they are the sizes. */
type Made = Omit<EngineLadder, 'engine' | 'version' | 'decodeSizes' | 'truncated'> &
  Partial<Pick<EngineLadder, 'decodeSizes' | 'truncated'>>;
type Maker = (limits: Required<EngineLimits>) => Made;

const MAKERS: Readonly<Record<EngineName, Maker>> = {
  vllm: (limits) => {
    const { sizes, truncated } = vllmLadder(limits);
    const last = sizes.at(-1);
    return {
      sizes,
      decodeSizes: vllmDecodeSizes(sizes, limits),
      truncated,
      notes:
        truncated === null
          ? []
          : [`the largest size asked for, ${truncated}, is not on the grid: the list ends at ${last}`],
    };
  },

  sglang: ({ maxNumSeqs, queryLen }) => {
    const maxBatch = sglangMaxBatch();
    const sizes = sglangDecodeSizes({ maxBatch, speculative: queryLen > 1 });
    return {
      sizes: inTokens(sglangAlignSizes({ sizes, poolSize: maxNumSeqs, queryLen }), queryLen),
      notes: [
        `up to ${maxBatch} requests, the default on a GPU of 60 to 160 GB with fewer than 4 tensor parallel ranks`,
      ],
    };
  },

  trtllm: ({ maxNumSeqs, maxNumBatchedTokens, queryLen }) => {
    const sizes = trtllmEngineFilter({
      sizes: trtllmDecodeSizes({ padding: true }),
      maxBatch: maxNumSeqs,
      maxNumTokens: maxNumBatchedTokens,
      tokensPerRequest: queryLen,
      padding: true,
    });
    return {
      sizes: inTokens(sizes, queryLen),
      notes: [
        `with enable_padding, which is off by default: then only batches of exactly a captured size run as a graph`,
        `up to ${TRTLLM_DEFAULT_MAX_BATCH} requests, the default max_batch_size of its graphs`,
      ],
    };
  },

  megatron: (limits) => {
    const { config, notes } = megatronConfig(limits);
    const shapes = megatronShapes({ ...config, maxGraphTokens: megatronGraphTokens(config) });
    return { sizes: decodeTokens(shapes), mixed: shapes.filter(([, prefills]) => prefills > 0), notes };
  },

  atom: (limits) => ({
    sizes: inTokens(atomCaptureSizes({ ...limits, defaults: 'server' }), limits.queryLen),
    notes: [],
  }),
};

/**
 * The ladder an engine captures by default at these limits. SGLang, TensorRT-LLM and ATOM count requests; here all sizes are
 * tokens. Errors: ERR_CONFIG_INVALID.
 */
export function engineLadder(engine: EngineName, limits: EngineLimits): EngineLadder {
  checkEngine(engine);
  const made = MAKERS[engine](checkLimits(limits));
  return { engine, version: ruleVersion(engine), decodeSizes: [...made.sizes], truncated: null, ...made };
}

/** Megatron's defaults at these limits, with no more requests than it lets one graph decode. */
export function megatronConfig(limits: Required<EngineLimits>): { config: MegatronConfig; notes: string[] } {
  const { maxNumSeqs, maxNumBatchedTokens, queryLen, maxModelLen } = limits;
  const maxRequests = Math.min(maxNumSeqs, Math.floor(maxNumBatchedTokens / queryLen));
  return {
    config: {
      maxRequests,
      maxTokens: maxNumBatchedTokens,
      maxSequenceLength: maxModelLen,
      numSpeculativeTokens: queryLen - 1,
    },
    notes:
      maxRequests < maxNumSeqs
        ? [
            `it refuses ${maxNumSeqs} requests of ${queryLen} tokens in ${maxNumBatchedTokens}; this is for ${maxRequests}`,
          ]
        : [],
  };
}

/** Tokens of the shapes that hold decodes alone, ascending. */
export function decodeTokens(shapes: readonly MegatronShape[]): number[] {
  return ascending(shapes.filter(([, prefills]) => prefills === 0).map(([tokens]) => tokens));
}

/** Sizes in requests as tokens. */
export function inTokens(requests: readonly number[], queryLen: number): number[] {
  return requests.map((count) => count * queryLen);
}

/** Throws ERR_CONFIG_INVALID unless `engine` is known. */
export function checkEngine(engine: EngineName): void {
  if (ENGINE_NAMES.includes(engine)) return;
  throw new LockstepError(
    'ERR_CONFIG_INVALID',
    `${shown(engine)} is not a known engine; there are ${ENGINE_NAMES.join(', ')}`,
    { engine, names: ENGINE_NAMES },
  );
}

/** The limits with their defaults. Errors: ERR_CONFIG_INVALID with every fault at once. */
export function checkLimits(limits: EngineLimits): Required<EngineLimits> {
  const { maxNumSeqs, maxNumBatchedTokens, queryLen, maxModelLen = DEFAULT_LIMITS.maxModelLen } = limits;
  const faults = new Faults();
  faults.integer('maxNumSeqs', maxNumSeqs, 1, 1 << 16);
  faults.integer('maxNumBatchedTokens', maxNumBatchedTokens, 1, 1 << 22);
  faults.integer('maxModelLen', maxModelLen, 1, 1 << 28);
  if (faults.integer('queryLen', queryLen, 1, 1 << 10)) {
    faults.check(
      !(maxNumBatchedTokens < queryLen),
      `maxNumBatchedTokens (${maxNumBatchedTokens}) is below queryLen (${queryLen}): not one decode would fit a step`,
      'maxNumBatchedTokens',
      'queryLen',
    );
  }
  faults.throwIfAny('These limits');
  return { maxNumSeqs, maxNumBatchedTokens, queryLen, maxModelLen };
}
