import { Faults, withoutUndefined } from '../../checks.js';
import { shown } from '../../errors.js';
import { type CostModel, checkMaxSize } from './cost-model.js';
import {
  EXPERT_FIELDS,
  GPUS,
  type GpuName,
  type GpuSpec,
  LATENT_FIELDS,
  MODELS,
  type ModelName,
  type ModelShape,
  SHAPE_FIELDS,
} from './hardware.js';

/** Which model on which GPUs. */
export interface RooflineOptions {
  /** A GPU's name, or what bounds another one. */
  readonly gpu: GpuName | GpuSpec;
  /** A model's name, or the shape of another one. */
  readonly model: ModelName | ModelShape;
  /** GPUs that share each layer. Default 1. */
  readonly tensorParallelSize?: number | undefined;
  /** What a shape is called in the name of the costs. Default: the model's name, or "custom". */
  readonly name?: string | undefined;
  /** Largest size in tokens that a cost is needed for. */
  readonly maxSize: number;
}

/** Rows and columns of the output tile that one multiprocessor computes: what the large-tile kernels of both makers use. */
const TILE = 128;
/** bf16. */
const BYTES = 2;
/** What each kernel of a replayed graph takes beyond its work: about what its launch and drain do. An assumption. */
const KERNEL_MS = 0.002;

/**
 * The time of a step by size, in ms, from what bounds the hardware: for when nothing has been measured. Over all layers, without
 * attention (whose work follows the KV cache, and padding adds none to it) and without collectives.
 *
 * A projection of n tokens, K x N weights on this GPU:
 *   max(waves * 128 * 128 * K * 2 FLOP * multiprocessors / peak, (K N + n K + n N) * 2 bytes / bandwidth) + 2 us
 *   waves = ceil(ceil(n / 128) * ceil(N / 128) / multiprocessors)
 * Of E experts that compute k tokens in E each, n tokens reach E (1 - (1 - k/E)^n), any with equal chance: their weights are read, and each computes its
 * share of the tokens, tile by tile. Elementwise operators (two norms, rotary embedding, activation, residual add) move their bytes, + 2 us each. The waves make
 * the staircase that measured profiles show. Real kernels stay below the peaks: `docs/plan.md` says how far it is from
 * measured ones, and what a ladder chosen by it loses. Errors: ERR_CONFIG_INVALID with every fault at once.
 */
export function rooflineCosts(options: RooflineOptions): CostModel {
  const { tensorParallelSize = 1, maxSize } = withoutUndefined(options) as RooflineOptions;
  checkMaxSize(maxSize);
  const faults = new Faults();
  faults.names('roofline options', options, ['gpu', 'model', 'tensorParallelSize', 'name', 'maxSize']);
  const gpu = named('gpu', options.gpu, GPUS, GPU_FIELDS, [], faults);
  const model = named('model', options.model, MODELS, SHAPE_FIELDS, ['experts', 'latent', 'weightBytes'], faults);
  for (const [name, value] of Object.entries(gpu ?? {})) faults.number(`gpu.${name}`, value, 1e-3, 1e6);
  if (model !== undefined) checkShape(model, faults);
  if (faults.integer('tensorParallelSize', tensorParallelSize, 1, 1 << 10) && model !== undefined) {
    const { attentionHeads, intermediateSize, experts } = model;
    const wide = [intermediateSize, ...(experts ? [experts.intermediateSize, experts.sharedSize] : [])];
    faults.check(
      [attentionHeads, ...wide].every((size) => size % tensorParallelSize === 0),
      `tensorParallelSize is ${tensorParallelSize}; it must divide the model's ${attentionHeads} heads and ${wide.join(', ')} intermediate columns`,
      'tensorParallelSize',
    );
  }
  faults.throwIfAny('This roofline');
  const step = stepOf(gpu as GpuSpec, model as ModelShape, tensorParallelSize);
  const costs = new Float64Array(maxSize + 1);
  for (let tokens = 1; tokens <= maxSize; tokens++) costs[tokens] = step(tokens);
  const told = (value: string | object): string => (typeof value === 'string' ? value : 'custom');
  const name = `roofline of ${options.name ?? told(options.model)} on ${told(options.gpu)}, tensor parallel ${tensorParallelSize}`;
  return { name, unit: 'ms', costs, raised: [] };
}

const GPU_FIELDS = ['teraFlops', 'teraBytesPerSecond', 'multiprocessors'] as const;

function checkShape(model: ModelShape, faults: Faults): void {
  const { experts, latent, weightBytes } = model;
  for (const name of SHAPE_FIELDS) if (name !== 'gated') faults.integer(`model.${name}`, model[name], 1, 1 << 24);
  if (experts !== undefined) {
    faults.names('model.experts', experts, EXPERT_FIELDS);
    const least = { count: 1, perToken: 1, intermediateSize: 1, sharedSize: 0, denseLayers: 0 };
    const most = { ...least, count: 1 << 24, perToken: experts?.count, intermediateSize: 1 << 24, sharedSize: 1 << 24 };
    for (const name of EXPERT_FIELDS) {
      faults.integer(
        `model.experts.${name}`,
        experts?.[name],
        least[name],
        name === 'denseLayers' ? model.layers : most[name],
      );
    }
  }
  if (latent !== undefined) {
    faults.names('model.latent', latent, LATENT_FIELDS);
    for (const name of LATENT_FIELDS) faults.integer(`model.latent.${name}`, latent?.[name], 0, 1 << 24);
  }
  if (weightBytes !== undefined) faults.number('model.weightBytes', weightBytes, 0.125, 8);
}

/** Milliseconds of all layers by tokens. */
function stepOf(gpu: GpuSpec, model: ModelShape, parallel: number): (tokens: number) => number {
  const { layers, experts } = model;
  const { projection, elementwise } = operators(gpu, model.weightBytes ?? BYTES);
  const attention = attentionOf(model, parallel);
  const dense = denseMlp(model, parallel, model.intermediateSize);
  const of = (tokens: number, { projections, values }: Operators): number =>
    projections.reduce((sum, { k, n }) => sum + projection(tokens, k, n), 0) +
    values.reduce((sum, count) => sum + elementwise(tokens, count), 0);
  if (experts === undefined) return (tokens) => layers * (of(tokens, attention) + of(tokens, dense));
  const shared = experts.sharedSize > 0 ? denseMlp(model, parallel, experts.sharedSize) : null;
  const routed = denseMlp(model, parallel, experts.intermediateSize);
  const sparse = layers - experts.denseLayers;
  return (tokens) => {
    const { count, perToken } = experts;
    // Each token takes `perToken` of the experts, any with equal chance.
    const busy = count * (1 - (1 - perToken / count) ** tokens);
    const each = Math.max(1, (tokens * perToken) / busy);
    const ofExperts = routed.projections.reduce((sum, { k, n }) => sum + projection(each, k, n, busy), 0);
    const moved = routed.values.reduce((sum, values) => sum + elementwise(tokens * perToken, values), 0);
    const beside = (shared === null ? 0 : of(tokens, shared)) + projection(tokens, model.hiddenSize, count);
    return (
      layers * of(tokens, attention) + experts.denseLayers * of(tokens, dense) + sparse * (ofExperts + moved + beside)
    );
  };
}

/** What a part of a layer computes: products of n tokens with K x N weights on one GPU, and values that elementwise operators move by token. */
interface Operators {
  readonly projections: readonly { readonly k: number; readonly n: number }[];
  readonly values: readonly number[];
}

function attentionOf(model: ModelShape, parallel: number): Operators {
  const { hiddenSize, headDim, latent } = model;
  const heads = model.attentionHeads / parallel;
  if (latent === undefined) {
    const queries = heads * headDim;
    // With fewer key and value heads than GPUs each holds a copy of one.
    const keysAndValues = 2 * Math.max(1, model.keyValueHeads / parallel) * headDim;
    return {
      projections: [
        { k: hiddenSize, n: queries + keysAndValues },
        { k: queries, n: hiddenSize },
      ],
      values: [2 * hiddenSize, 2 * hiddenSize, 2 * (queries + keysAndValues / 2)],
    };
  }
  const { queryRank, keyValueRank, nopeHeadDim, ropeHeadDim, valueHeadDim } = latent;
  const queries = heads * (nopeHeadDim + ropeHeadDim);
  return {
    projections: [
      // Every GPU projects down for itself.
      { k: hiddenSize, n: queryRank + keyValueRank + ropeHeadDim + (queryRank === 0 ? queries : 0) },
      ...(queryRank > 0 ? [{ k: queryRank, n: queries }] : []),
      { k: keyValueRank, n: heads * (nopeHeadDim + valueHeadDim) },
      { k: heads * valueHeadDim, n: hiddenSize },
    ],
    values: [2 * hiddenSize, 2 * hiddenSize, 2 * (heads + 1) * ropeHeadDim + 2 * (queryRank + keyValueRank)],
  };
}

function denseMlp({ hiddenSize, gated }: ModelShape, parallel: number, columns: number): Operators {
  const wide = columns / parallel;
  return {
    projections: [
      { k: hiddenSize, n: gated ? 2 * wide : wide },
      { k: wide, n: hiddenSize },
    ],
    values: [(gated ? 3 : 2) * wide, 3 * hiddenSize],
  };
}

function operators(gpu: GpuSpec, weightBytes: number) {
  const bytesPerMs = gpu.teraBytesPerSecond * 1e9;
  const flopsPerMs = gpu.teraFlops * 1e9;
  return {
    /** `times` products of `tokens` tokens each, in one kernel. */
    projection: (tokens: number, k: number, n: number, times = 1): number => {
      const waves = Math.ceil((times * Math.ceil(tokens / TILE) * Math.ceil(n / TILE)) / gpu.multiprocessors);
      const compute = (waves * TILE * TILE * k * 2 * gpu.multiprocessors) / flopsPerMs;
      const memory = (times * (k * n * weightBytes + (tokens * k + tokens * n) * BYTES)) / bytesPerMs;
      return Math.max(compute, memory) + KERNEL_MS;
    },
    elementwise: (tokens: number, values: number): number => (tokens * values * BYTES) / bytesPerMs + KERNEL_MS,
  };
}

function named<T extends object>(
  what: string,
  given: string | T,
  known: Readonly<Record<string, T>>,
  fields: readonly string[],
  optional: readonly string[],
  faults: Faults,
): T | undefined {
  if (typeof given === 'object' && given !== null) {
    faults.names(what, given, [...fields, ...optional]);
    return { ...blank(fields), ...given } as T;
  }
  if (typeof given === 'string' && Object.hasOwn(known, given)) return known[given];
  faults.check(false, `${what} is ${shown(given)}; it must be one of ${Object.keys(known).join(', ')}, or its figures`);
  return undefined;
}

/** Every field undefined, so that each one that is not given is reported. */
function blank(fields: readonly string[]): object {
  return Object.fromEntries(fields.map((name) => [name, undefined]));
}
