// Loaded by the ranks of a run that has a model: no other needs what reads checkpoints.
import { openModel } from '../checkpoint/index.js';
import { Decoder } from '../decoder/index.js';
import type { PlannerModules } from '../memory/index.js';
import type { Collective } from '../ranks/index.js';
import { measureBlocksSync } from '../runtime/index.js';
import type { RequestTable } from '../workload/index.js';
import { ModelLedger } from './model-ledger.js';
import { ModelWork } from './model-work.js';
import type { RunJob } from './run-job.js';
import type { CompleteRunOptions } from './run-options.js';
import { controlsOf } from './run-sampling.js';
import { referenceTokens } from './serve-reference.js';

/** Options of a model's run with the blocks that every rank has room for, where they are to be measured. Every rank calls it. */
export function agreedOptions(
  model: string,
  modules: PlannerModules,
  options: CompleteRunOptions,
  host: { readonly collective: Collective; interrupted(): boolean },
): CompleteRunOptions {
  const { pool, limits, scheduler, tensorParallelSize, async: ahead } = options;
  if (pool === null) return options;
  const checkpoint = openModel(model);
  const numBlocks = measureBlocksSync({
    ...{ ...options, modules, pool },
    collective: host.collective,
    interrupted: () => host.interrupted(),
    forward: (executor, few) => new Decoder(executor, checkpoint, few, { tensorParallelSize, ahead }),
  });
  return { ...options, limits: { ...limits, numBlocks }, scheduler: { ...scheduler, numBlocks } };
}

/** A run of a model, whose tokens are held against those of one rank, eager. Makes them first: every rank calls it. */
export function modelJob(
  model: string,
  modules: PlannerModules,
  table: RequestTable,
  options: CompleteRunOptions,
  host: { readonly collective: Collective; interrupted(): boolean },
): RunJob {
  const { limits, verify, scheduler, timeoutMs, tensorParallelSize, device, async: ahead } = options;
  const checkpoint = openModel(model);
  const interrupted = (): boolean => host.interrupted();
  const given = { modules, options, table, collective: host.collective, device, interrupted };
  const reference = referenceTokens(checkpoint, given);
  const ledger = new ModelLedger(table, { vocabSize: checkpoint.config.vocabSize, reference });
  return {
    ledger,
    make: (executor, supply) => {
      const forward = new Decoder(executor, checkpoint, limits, {
        tensorParallelSize,
        ahead,
        supply: (local) => {
          supply(local, work.fills);
          work.continueRows();
        },
      });
      const { seed } = scheduler;
      const verified = {
        ...{ mode: verify, seed, timeoutMs, reference },
        controlsOf: (request: number) => controlsOf(options.sampling, seed, request),
      };
      const work = new ModelWork(forward, ledger, verified);
      return { forward, work };
    },
  };
}
