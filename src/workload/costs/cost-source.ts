import { checkHas } from '../../checks.js';
import { LockstepError, shown } from '../../errors.js';
import type { CostModel } from './cost-model.js';
import { readCostTable } from './cost-table.js';
import { GPUS, type GpuName, MODELS, type ModelName } from './hardware.js';
import { readModelShape } from './model-shape.js';
import { rooflineCosts } from './roofline.js';

/** Where the time of a step comes from: a table of what was measured, or the roofline of a model on a GPU. */
export type CostSource = {
  /** Rows of this size in a table; GPUs that share a layer in a roofline. */
  readonly tensorParallelSize?: number | undefined;
} /** A table of measured times. */ & (
  | { readonly file: string }
  /** A model that is built in. */
  | { readonly gpu: GpuName; readonly model: ModelName }
  /** The config.json of a model, or the folder that it lies in. */
  | { readonly gpu: GpuName; readonly config: string }
);

/**
 * The costs of a source, up to `maxSize` tokens. A table without `tensorParallelSize` has to hold one alone; the roofline's
 * default is 1. Errors: ERR_INPUT_INVALID for a table, ERR_CONFIG_INVALID for a roofline, ERR_ABORTED.
 */
export async function readCosts(source: CostSource, maxSize: number, signal?: AbortSignal): Promise<CostModel> {
  checkHas('a source of costs', source, []);
  const { tensorParallelSize } = source;
  if ('file' in source) return readCostTable(source.file, { maxSize, tensorParallelSize, signal });
  if ('config' in source) {
    const model = await readModelShape(source.config, signal);
    return rooflineCosts({ gpu: source.gpu, model, name: source.config, tensorParallelSize, maxSize });
  }
  return rooflineCosts({ gpu: source.gpu, model: source.model, tensorParallelSize, maxSize });
}

/**
 * GPU and model of `h100:llama-3-70b`, or of `h100:path/config.json`: a model that is not known by name is a file where the text looks like a path.
 * Errors: ERR_CONFIG_INVALID with the names there are.
 */
export function parseCostModel(text: string): Extract<CostSource, { readonly gpu: GpuName }> {
  const [, gpu = '', model = ''] = /^([^:]*):(.*)$/s.exec(typeof text === 'string' ? text : '') ?? [];
  if (Object.hasOwn(GPUS, gpu)) {
    if (Object.hasOwn(MODELS, model)) return { gpu: gpu as GpuName, model: model as ModelName };
    if (/[/\\]|\.json$/i.test(model)) return { gpu: gpu as GpuName, config: model };
  }
  const [gpus, models] = [GPUS, MODELS].map((names) => Object.keys(names).join(', '));
  throw new LockstepError(
    'ERR_CONFIG_INVALID',
    `${shown(text)} is not a cost model; give GPU:MODEL such as h100:llama-3-70b, of the GPUs ${gpus} and the models ${models}, or GPU:FILE with a model's config.json`,
    { costModel: text, gpus: Object.keys(GPUS), models: Object.keys(MODELS) },
  );
}
