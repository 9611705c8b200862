import type { ModelConfig } from '../checkpoint/index.js';
import { Faults } from '../checks.js';
import type { Limits } from '../config.js';
import type { SamplingForward } from '../decoder/index.js';
import { LockstepError, shown } from '../errors.js';
import type { Executor } from '../execution/index.js';

/**
 * A module that computes tokens. Its default export is called on every rank's thread, once its device is open:
 * `(executor, limits, data) => SamplingForward`.
 */
export interface CustomModel {
  readonly entry: URL;
  /** Given to the function; structured-cloneable. */
  readonly data?: unknown;
  /** What requests name it by. Default: the entry's file name. */
  readonly name?: string;
  /** Ids are below it; others are refused. Default: any of 31 bits. */
  readonly vocabSize?: number;
  /** Tokens that end a request. Default none. */
  readonly eosTokenIds?: readonly number[];
  /** Longest request that it knows positions for. Default: as the limits say. */
  readonly maxPositions?: number;
}

const MAX_VOCABULARY = 2 ** 31;
const CUSTOM_NAMES: readonly (keyof CustomModel)[] = [
  'entry',
  'data',
  'name',
  'vocabSize',
  'eosTokenIds',
  'maxPositions',
];

/** The default export of a custom model's module. */
export type MakeForward = (executor: Executor, limits: Limits, data: unknown) => SamplingForward;

/** What a service must know of its model before any rank runs. */
export interface ModelFacts {
  readonly name: string;
  readonly vocabSize: number;
  readonly eosTokenIds: readonly number[];
  readonly maxPositions: number;
  /** Null of a module, whose numbers are its own matter. */
  readonly config: ModelConfig | null;
  /** The folder that a tokenizer may be in. */
  readonly directory: string | null;
  readonly source: ModelSource;
}

/** How a rank's thread makes the forward. */
export type ModelSource =
  | { readonly kind: 'checkpoint'; readonly name: string; readonly tensorParallelSize: number }
  | { readonly kind: 'entry'; readonly url: string; readonly data: unknown };

/** Looks at a model without reading its weights. Errors: those of the model's files; `ERR_CONFIG_INVALID` for facts of a module that cannot be. */
export async function modelFacts(model: string | CustomModel, tensorParallelSize: number): Promise<ModelFacts> {
  if (typeof model === 'string') {
    const { openModel } = await import('../checkpoint/index.js');
    const { config, path } = openModel(model);
    const { vocabSize, maxPositions } = config;
    // Where a text begins anew, the one before it has ended.
    const eosTokenIds = [...new Set([...config.eosTokenIds, ...config.bosTokenIds])];
    const name = path === null ? model : nameOf(path);
    const source: ModelSource = { kind: 'checkpoint', name: model, tensorParallelSize };
    return { name, vocabSize, eosTokenIds, maxPositions, config, directory: path, source };
  }
  const { entry, data, name, vocabSize = MAX_VOCABULARY, eosTokenIds = [], maxPositions = Infinity } = model;
  checkCustomModel(model);
  return {
    name: name ?? nameOf(entry.pathname),
    vocabSize,
    eosTokenIds,
    maxPositions,
    config: null,
    directory: null,
    source: { kind: 'entry', url: entry.href, data },
  };
}

/** Errors: `ERR_CONFIG_INVALID` naming every fault. */
function checkCustomModel(model: CustomModel): void {
  const { entry, name, vocabSize = MAX_VOCABULARY, eosTokenIds = [], maxPositions = Infinity } = model;
  const faults = new Faults();
  faults.names('model', model, CUSTOM_NAMES);
  const remedy = 'give new URL("./forward.js", import.meta.url), or the folder of a model as a string';
  faults.check(entry instanceof URL, `model.entry is no URL; ${remedy}`, 'model');
  const isName = name === undefined || (typeof name === 'string' && name.length > 0);
  faults.check(isName, `model.name is ${shown(name)}; it must be a text that is not empty`, 'model');
  const isSize = faults.integer('model.vocabSize', vocabSize, 1, MAX_VOCABULARY);
  const below = isSize ? vocabSize : MAX_VOCABULARY;
  faults.check(
    Array.isArray(eosTokenIds) && eosTokenIds.every((id) => Number.isInteger(id) && id >= 0 && id < below),
    `model.eosTokenIds is ${shown(eosTokenIds)}; it must be an array of token ids, whole numbers from 0 to ${below - 1}`,
    'model',
  );
  if (maxPositions !== Infinity) faults.integer('model.maxPositions', maxPositions, 1, Number.MAX_SAFE_INTEGER);
  faults.throwIfAny('The facts of this model');
}

/** Loads what makes the forward, on a rank's thread. */
export async function forwardMaker(
  source: ModelSource,
): Promise<(executor: Executor, limits: Limits, options: { readonly ahead: boolean }) => SamplingForward> {
  if (source.kind === 'entry') {
    const { default: make } = (await import(source.url)) as { readonly default?: MakeForward };
    if (typeof make !== 'function') {
      throw new LockstepError(
        'ERR_CONFIG_INVALID',
        `${source.url} has no default export that is a function; export default (executor, limits, data) => forward.`,
        { options: ['model'] },
      );
    }
    return (executor, limits) => make(executor, limits, source.data);
  }
  const { openModel } = await import('../checkpoint/index.js');
  const { Decoder } = await import('../decoder/index.js');
  const checkpoint = openModel(source.name);
  const { tensorParallelSize } = source;
  return (executor, limits, { ahead }) => new Decoder(executor, checkpoint, limits, { tensorParallelSize, ahead });
}

function nameOf(path: string): string {
  return path.replace(/[/\\]+$/, '').replace(/^.*[/\\]/, '');
}
