import type { ForwardBatch, Row } from '../batch/index.js';
import type { Executor, Forward } from '../execution/index.js';
import type { Chunk, RequestTable } from '../workload/index.js';
import { TokenKvCache } from './kv-cache.js';
import { KvLedger } from './kv-ledger.js';
import { KvVerifier } from './kv-verifier.js';
import type { RunLedger } from './run-ledger.js';
import type { CompleteRunOptions } from './run-options.js';
import type { RunWork } from './run-work.js';

/** Writes the token ids of a step, but for those of decodes that the device `fills`. */
export type Supply = (local: ForwardBatch, fills?: (chunk: Chunk, row: Row) => boolean) => void;

/** What a run computes: the ids of its tokens, and its forward with what checks it. */
export interface RunJob {
  readonly ledger: RunLedger;
  /** `supply` writes the token ids of each step. */
  make(executor: Executor, supply: Supply): { readonly forward: Forward; readonly work: RunWork };
}

/** A run whose cache holds the ids of tokens, which are read back. */
export function tokenJob(table: RequestTable, { limits, verify, scheduler, timeoutMs }: CompleteRunOptions): RunJob {
  const ledger = new KvLedger(table);
  return {
    ledger,
    make: (executor, supply) => {
      const cache = new TokenKvCache(executor, limits, (local) => supply(local));
      return { forward: cache, work: new KvVerifier(cache, ledger, { mode: verify, seed: scheduler.seed, timeoutMs }) };
    },
  };
}
