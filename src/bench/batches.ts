import { PlannerMemory, type Requests, type Row } from '../batch/index.js';
import { completeLimits, type Limits } from '../config.js';
import type { PlannerModules } from '../memory/index.js';
import { completePolicy } from '../policy/index.js';

/** One request of a measured batch. */
export interface BenchRequest {
  readonly phase: 'decode' | 'prefill';
  /** Tokens computed before the step, and in it. */
  readonly start: number;
  readonly queryLen: number;
  /** KV blocks it holds. Default: as few as hold its tokens. */
  readonly blocks?: number;
}

/** A laid-out memory in which a batch is scheduled, so that kernels can be called on it. */
export interface BenchBatch {
  readonly memory: PlannerMemory;
  readonly requests: Requests;
  readonly rows: readonly Row[];
}

/**
 * Schedules `batch` in a memory of its own, for the given limits, with `ubatches` parts (default 1) and, with `csr`, those tensors
 * (default false).
 */
export function scheduleBatch(
  modules: PlannerModules,
  limits: Partial<Limits>,
  batch: readonly BenchRequest[],
  { ubatches = 1, csr = false }: { readonly ubatches?: number; readonly csr?: boolean } = {},
): BenchBatch {
  const complete = completeLimits({
    maxNumSeqs: batch.length,
    maxNumBatchedTokens: batch.reduce((sum, { queryLen }) => sum + queryLen, 0),
    maxModelLen: 16384,
    numBlocks: 2 ** 27,
    ...limits,
  });
  const memory = new PlannerMemory(modules, {
    limits: complete,
    plan: { keys: [] },
    policy: completePolicy({ ubatches }),
    rank: 0,
    ranks: 1,
    poison: false,
    tensors: { csr },
  });
  const requests = memory.requests(() => {});
  let next = 1;
  const rows = batch.map(({ phase, start, queryLen, blocks }) => {
    const count = blocks ?? Math.ceil((start + queryLen) / complete.blockSize);
    const row = requests.add({ blockIds: Array.from({ length: count }, () => next++), numComputedTokens: start });
    requests.schedule(row, { phase, queryLen });
    return row;
  });
  memory.metadata.gather_facts(ubatches);
  return { memory, requests, rows };
}

/** `count` decodes of `queryLen` tokens, at every place of a block. */
export function decodes(count: number, queryLen = 1): BenchRequest[] {
  return Array.from({ length: count }, (_, index) => ({ phase: 'decode', start: 100 + (index % 64), queryLen }));
}

/** `count` prompts of `queryLen` tokens. */
export function prefills(count: number, queryLen: number): BenchRequest[] {
  return Array.from({ length: count }, () => ({ phase: 'prefill', start: 0, queryLen }));
}
