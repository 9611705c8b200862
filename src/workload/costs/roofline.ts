import { Faults, withoutUndefined } from '../../config.js';
import { shown } from '../../errors.js';
import { type CostModel, checkMaxSize } from './cost-model.js';
import { GPUS, type GpuName, type GpuSpec, MODELS, type ModelName, type ModelShape } from './hardware.js';

/** Which model on which GPUs. */
export interface RooflineOptions {
  /** A GPU's name, or what bounds another one. */
  readonly gpu: GpuName | GpuSpec;
  /** A model's name, or the shape of another one. */
  readonly model: ModelName | ModelShape;
  /** GPUs that share each layer. Default 1. */
  readonly tensorParallelSize?: number | undefined;
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
 * Elementwise operators (two norms, rotary embedding, activation, residual add) move their bytes, + 2 us each. The waves make
 * the staircase that measured profiles show. Real kernels stay below the peaks: `docs/plan.md` says how far it is from
 * measured ones, and what a ladder chosen by it loses. Errors: ERR_CONFIG_INVALID with every fault at once.
 */
export function rooflineCosts(options: RooflineOptions): CostModel {
  const { tensorParallelSize = 1, maxSize } = withoutUndefined(options) as RooflineOptions;
  checkMaxSize(maxSize);
  const faults = new Faults();
  faults.names('roofline options', options, ['gpu', 'model', 'tensorParallelSize', 'maxSize']);
  const gpu = named('gpu', options.gpu, GPUS, faults);
  const model = named('model', options.model, MODELS, faults);
  for (const [name, value] of Object.entries(gpu ?? {})) faults.number(`gpu.${name}`, value, 1e-3, 1e6);
  for (const [name, value] of Object.entries(model ?? {})) {
    if (name !== 'gated') faults.integer(`model.${name}`, value, 1, 1 << 24);
  }
  if (faults.integer('tensorParallelSize', tensorParallelSize, 1, 1 << 10) && model !== undefined) {
    const { attentionHeads, intermediateSize } = model;
    faults.check(
      attentionHeads % tensorParallelSize === 0 && intermediateSize % tensorParallelSize === 0,
      `tensorParallelSize is ${tensorParallelSize}; it must divide the model's ${attentionHeads} heads and ${intermediateSize} intermediate columns`,
      'tensorParallelSize',
    );
  }
  faults.throwIfAny('This roofline');
  const layer = layerOf(gpu as GpuSpec, model as ModelShape, tensorParallelSize);
  const costs = new Float64Array(maxSize + 1);
  for (let tokens = 1; tokens <= maxSize; tokens++) costs[tokens] = (model as ModelShape).layers * layer(tokens);
  const told = (value: string | object): string => (typeof value === 'string' ? value : 'custom');
  const name = `roofline of ${told(options.model)} on ${told(options.gpu)}, tensor parallel ${tensorParallelSize}`;
  return { name, unit: 'ms', costs, raised: [] };
}

/** Milliseconds of one layer by tokens. */
function layerOf(gpu: GpuSpec, model: ModelShape, parallel: number): (tokens: number) => number {
  const { hiddenSize, headDim, gated } = model;
  const queries = (model.attentionHeads * headDim) / parallel;
  // With fewer key and value heads than GPUs each holds a copy of one.
  const keysAndValues = 2 * Math.max(1, model.keyValueHeads / parallel) * headDim;
  const wide = model.intermediateSize / parallel;
  const projections = [
    { k: hiddenSize, n: queries + keysAndValues },
    { k: queries, n: hiddenSize },
    { k: hiddenSize, n: gated ? 2 * wide : wide },
    { k: wide, n: hiddenSize },
  ];
  // Values that each elementwise operator reads and writes, by token.
  const elementwise = [
    2 * hiddenSize,
    2 * hiddenSize,
    2 * (queries + keysAndValues / 2),
    (gated ? 3 : 2) * wide,
    3 * hiddenSize,
  ];
  const bytesPerMs = gpu.teraBytesPerSecond * 1e9;
  const flopsPerMs = gpu.teraFlops * 1e9;
  const projection = (tokens: number, k: number, n: number): number => {
    const waves = Math.ceil((Math.ceil(tokens / TILE) * Math.ceil(n / TILE)) / gpu.multiprocessors);
    const compute = (waves * TILE * TILE * k * 2 * gpu.multiprocessors) / flopsPerMs;
    const memory = ((k * n + tokens * k + tokens * n) * BYTES) / bytesPerMs;
    return Math.max(compute, memory) + KERNEL_MS;
  };
  return (tokens) =>
    projections.reduce((sum, { k, n }) => sum + projection(tokens, k, n), 0) +
    elementwise.reduce((sum, values) => sum + (tokens * values * BYTES) / bytesPerMs + KERNEL_MS, 0);
}

function named<T extends object>(
  what: string,
  given: string | T,
  known: Readonly<Record<string, T>>,
  faults: Faults,
): T | undefined {
  if (typeof given === 'object' && given !== null) {
    faults.names(what, given, Object.keys(Object.values(known)[0]));
    return { ...blank(Object.values(known)[0]), ...given };
  }
  if (typeof given === 'string' && Object.hasOwn(known, given)) return known[given];
  faults.check(false, `${what} is ${shown(given)}; it must be one of ${Object.keys(known).join(', ')}, or its figures`);
  return undefined;
}

/** Every field undefined, so that each one that is not given is reported. */
function blank<T extends object>(example: T): T {
  return Object.fromEntries(Object.keys(example).map((name) => [name, undefined])) as T;
}
