import { type Checkpoint, openModel } from '../checkpoint/index.js';
import { checkArguments } from '../checks.js';
import { completeLimits, type Limits } from '../config.js';
import { Decoder, modelLimits } from '../decoder/index.js';
import { type Device, type DeviceName, openDevice } from '../device/index.js';
import { LockstepError } from '../errors.js';
import type { Executor } from '../execution/index.js';
import { type CapturePlan, decodeKey } from '../keys/index.js';
import { loadModules, type PlannerModules } from '../memory/index.js';
import { StepPlanner } from '../planner/index.js';
import { createSolo } from '../ranks/index.js';
import { createRank, type Rank } from '../runtime/index.js';

/** What is measured, and how often. */
export interface MeasureCostsOptions {
  /** Limits of the rank; those left out are the model's. */
  readonly limits?: Partial<Limits>;
  /** The device to measure on. Default 'auto'. */
  readonly device?: 'auto' | DeviceName;
  /** Tokens of the steps: decodes of one token each. Default: 1, 2, 4 and each multiple of 8 to `maxNumSeqs`. */
  readonly sizes?: readonly number[];
  /** Steps of each size. Default 9. */
  readonly rounds?: number;
  /** Tokens that each request has before the step. Default 64, or what the limits leave. */
  readonly context?: number;
  /** Ends the measuring with ERR_ABORTED. */
  readonly signal?: AbortSignal;
  /** Called after each size: how many sizes are done, of how many. */
  readonly onProgress?: (done: number, of: number) => void;
}

/** The time of a step, in ms: the median, and the distance between the quarters. */
export interface MeasuredTime {
  /** Median of the rounds, in ms. */
  readonly median: number;
  /** Third quarter less the first, in ms. */
  readonly spread: number;
}

/** The times of steps of one size. */
export interface MeasuredCost {
  /** Tokens of the step: decodes of one token each. */
  readonly tokens: number;
  /** As a graph. */
  readonly graph: MeasuredTime;
  /** Without one. */
  readonly eager: MeasuredTime;
}

/**
 * Measures how long a model's decode steps take at each size, as a graph and eager, from the vote to the last kernel, by turns. Blocks
 * this thread for the length of a step at a time. Errors: ERR_CONFIG_INVALID, ERR_MODEL_INVALID, ERR_DEVICE_UNAVAILABLE, ERR_ABORTED.
 */
export async function measureCosts(model: string, options: MeasureCostsOptions = {}): Promise<MeasuredCost[]> {
  checkArguments('measureCosts', { options: [options, 'object'] });
  const { device: name = 'auto', rounds = 9, signal, onProgress } = options;
  const checkpoint = openModel(model);
  const limits = completeLimits(modelLimits(checkpoint.config, options.limits));
  const sizes = options.sizes ?? defaultSizes(limits.maxNumSeqs);
  const context = Math.min(options.context ?? 64, limits.maxModelLen - rounds - 2);
  const modules = await loadModules();
  const measured: MeasuredCost[] = [];
  for (const tokens of sizes) {
    const open = (plan: CapturePlan): MeasuredRank =>
      new MeasuredRank(modules, checkpoint, { limits, plan, device: name });
    using graph = open({ keys: [decodeKey(tokens, 1, 1)] });
    using eager = open({ keys: [] });
    const times: [number[], number[]] = [[], []];
    for (const rank of [graph, eager]) rank.fill(tokens, context, context + rounds + 2);
    for (let round = 0; round <= rounds; round++) {
      if (signal?.aborted === true) throw new LockstepError('ERR_ABORTED', 'The measurement was stopped', { tokens });
      for (const [index, rank] of [graph, eager].entries()) {
        const ms = rank.step();
        // The first round makes what is made once.
        if (round > 0) times[index].push(ms);
      }
      await new Promise(setImmediate);
    }
    measured.push({ tokens, graph: summary(times[0]), eager: summary(times[1]) });
    onProgress?.(measured.length, sizes.length);
  }
  return measured;
}

/** A cost table as `readCostTable` takes it: `time_ms` is that of graphs. */
export function costTableText(measured: readonly MeasuredCost[]): string {
  checkArguments('costTableText', { measured: [measured, 'objects'] });
  for (const cost of measured) {
    checkArguments('costTableText', {
      'a measured cost': [cost, 'object', 'tokens'],
      graph: [cost.graph, 'object', 'median', 'spread'],
      eager: [cost.eager, 'object', 'median', 'spread'],
    });
  }
  const rows = measured.map(({ tokens, graph, eager }) =>
    [tokens, ...[graph.median, graph.spread, eager.median, eager.spread].map((ms) => ms.toFixed(4))].join(','),
  );
  return `num_tokens,time_ms,spread_ms,eager_ms,eager_spread_ms\n${rows.join('\n')}\n`;
}

function defaultSizes(most: number): number[] {
  const eights = Array.from({ length: Math.floor(most / 8) }, (_, index) => 8 * (index + 1));
  return [...new Set([1, 2, 4, ...eights, most])].filter((size) => size <= most).sort((a, b) => a - b);
}

/** A rank alone on a device of its own, whose requests all decode. */
class MeasuredRank implements Disposable {
  readonly #device: Device;
  readonly #planner: StepPlanner;
  readonly #rank: Rank;
  readonly #blockSize: number;

  constructor(
    modules: PlannerModules,
    checkpoint: Checkpoint,
    { limits, plan, device }: { limits: Limits; plan: CapturePlan; device: 'auto' | DeviceName },
  ) {
    this.#blockSize = limits.blockSize;
    this.#device = openDevice({ device });
    this.#planner = new StepPlanner(modules, { limits, plan, rank: 0, ranks: 1 });
    const forward = (executor: Executor): Decoder => new Decoder(executor, checkpoint, limits);
    this.#rank = createRank({ planner: this.#planner, device: this.#device, collective: createSolo(), forward });
    this.#rank.captureSync();
  }

  /** Requests that have computed `context` tokens each, with room for `room`; what their cache holds does not matter. */
  fill(requests: number, context: number, room: number): void {
    const blocks = Math.ceil(room / this.#blockSize);
    for (let index = 0; index < requests; index++) {
      const blockIds = Array.from({ length: blocks }, (_, block) => 1 + index * blocks + block);
      const row = this.#planner.requests.add({ blockIds, numComputedTokens: context });
      this.#planner.requests.schedule(row, { phase: 'decode', queryLen: 1 });
    }
  }

  /** Milliseconds of one step of all requests, which are a token further on then. */
  step(): number {
    const start = performance.now();
    this.#rank.stepSync();
    this.#rank.executor.stream.synchronizeSync();
    const ms = performance.now() - start;
    this.#planner.requests.continueDecodes();
    return ms;
  }

  [Symbol.dispose](): void {
    this.#rank.dispose();
    this.#planner.dispose();
    this.#device.dispose();
  }
}

function summary(times: readonly number[]): MeasuredTime {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))];
  return { median: at(0.5), spread: at(0.75) - at(0.25) };
}
