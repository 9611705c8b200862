import type { Worker } from 'node:worker_threads';
import type { PlannerModules } from '../memory/index.js';
import type { SliceExplorer } from './explore.js';
import type { CheckedPair } from './standard-domain.js';
import type { SliceFindings } from './table-explorer.js';
import type { Slice } from './tables.js';

/** What a worker is started with: all that the rules it explores follow from. */
export interface CheckWorkerData {
  readonly modules: PlannerModules;
  readonly pair: CheckedPair;
  readonly replicaSize: number;
}

/** A slice of the tables of `ranks` ranks. */
export interface RankedSlice extends Slice {
  readonly ranks: number;
}

/** Asked for by name and not imported: there are no such modules in a browser. */
function builtin<T>(name: string): T | undefined {
  return globalThis.process?.getBuiltinModule?.(name) as T | undefined;
}

/** Whether there are worker threads here. There are none in a browser. */
export function hasWorkers(): boolean {
  return builtin('node:worker_threads') !== undefined;
}

/** Workers that explore at once where nothing is said: as many as this process may use cores, and 1 where there are no threads. */
export function defaultWorkers(): number {
  return hasWorkers() ? (builtin<typeof import('node:os')>('node:os')?.availableParallelism() ?? 1) : 1;
}

/** Worker threads that explore one pair, each in a memory of its own. They start when they are first asked for. */
export class CheckPool {
  readonly #data: CheckWorkerData;
  readonly #workers: PooledWorker[] = [];

  constructor({ modules, pair, replicaSize }: CheckWorkerData) {
    const { policy, plan, limits } = pair;
    this.#data = { modules, pair: { policy, plan: { keys: plan.keys }, limits }, replicaSize };
  }

  /** `count` workers, for tables of `ranks` ranks. */
  explorers(count: number, ranks: number): SliceExplorer[] {
    while (this.#workers.length < count) this.#workers.push(new PooledWorker(this.#data));
    return this.#workers.slice(0, count).map((worker) => ({ explore: (slice) => worker.explore({ ...slice, ranks }) }));
  }

  /** Ends all workers, whatever they do. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.end()));
  }
}

/** One worker thread, which explores one slice at a time. */
class PooledWorker {
  readonly #worker: Worker;
  /** Who waits for the answer. */
  #asked: { resolve(findings: SliceFindings): void; reject(error: Error): void } | null = null;
  #broken: Error | null = null;

  constructor(data: CheckWorkerData) {
    const threads = builtin<typeof import('node:worker_threads')>('node:worker_threads');
    if (threads === undefined) throw new TypeError('there are no worker threads here');
    const { Worker } = threads;
    // Not for bundlers, which would take it along: where they put it, there are no such threads.
    const file = './check-worker.js';
    this.#worker = new Worker(new URL(file, import.meta.url), { workerData: data });
    this.#worker.on('message', (findings: SliceFindings) => this.#asked?.resolve(findings));
    this.#worker.on('error', (error) => this.#break(error));
    this.#worker.on('exit', (code) => this.#break(new Error(`a worker of the checker ended with exit code ${code}`)));
  }

  /** Rejects where the worker has ended, or ends before it answers. */
  explore(slice: RankedSlice): Promise<SliceFindings> {
    if (this.#broken !== null) return Promise.reject(this.#broken);
    return new Promise((resolve, reject) => {
      this.#asked = { resolve, reject };
      this.#worker.postMessage(slice);
    });
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  /** The first reason counts: a worker that fails also ends. */
  #break(error: Error): void {
    this.#broken ??= error;
    this.#asked?.reject(this.#broken);
  }
}
