import type { Checkpoint } from '../checkpoint/index.js';
import { Decoder } from '../decoder/index.js';
import { openDevice } from '../device/index.js';
import { LockstepError } from '../errors.js';
import { leastBlocks } from '../kv-pool.js';
import type { PlannerModules } from '../memory/index.js';
import { StepPlanner } from '../planner/index.js';
import { type Collective, createSolo } from '../ranks/index.js';
import { createRank } from '../runtime/index.js';
import { RequestTable } from '../workload/index.js';
import { ModelLedger } from './model-ledger.js';
import { ModelWork, type SampledToken } from './model-work.js';
import { ReferenceTokens } from './reference-tokens.js';
import { RequestRows } from './request-rows.js';
import { RunLoop } from './run-loop.js';
import type { CompleteRunOptions } from './run-options.js';
import { controlsOf } from './run-sampling.js';

/** What a reference is made with. */
export interface ReferenceOptions {
  readonly modules: PlannerModules;
  readonly options: CompleteRunOptions;
  readonly table: RequestTable;
  readonly collective: Collective;
  readonly device: CompleteRunOptions['device'];
  readonly interrupted: () => boolean;
}

/**
 * The reference of a workload: each rank serves its share of the requests as the only rank, on a device context and a planner of its own, with the
 * whole model; then all get all. Errors: what a rank of one throws, and what `allGatherSync` throws.
 */
export function referenceTokens(checkpoint: Checkpoint, given: ReferenceOptions): ReferenceTokens {
  const { table, collective } = given;
  const reference = new ReferenceTokens(table);
  const ownerOf = (request: number): number => request % collective.size;
  const own = Array.from(table).filter(({ id }) => ownerOf(id) === collective.rank);
  if (own.length > 0) {
    const requests = own.map(({ id }) => id);
    const set = ({ request, position, token, logits }: SampledToken): void =>
      reference.set(request, position - table.inputTokens[request], token, logits as number);
    try {
      serveAlone(checkpoint, given, requests, set);
    } catch (error) {
      throw error instanceof LockstepError && error.code === 'ERR_DEVICE_MEMORY' ? noRoomError(error, given) : error;
    }
  }
  reference.gather(collective, ownerOf);
  return reference;
}

function noRoomError(cause: LockstepError, { options: { deviceMemory } }: ReferenceOptions): LockstepError {
  const remedy = deviceMemory === null ? 'take a device with more memory' : `raise deviceMemory (${deviceMemory})`;
  return new LockstepError(
    'ERR_DEVICE_MEMORY',
    `The reference of a model's run holds the whole model on one rank, and has no room: ${remedy}, or lower maxModelLen. ${cause.message}`,
    { ...cause.details, options: ['deviceMemory', 'maxModelLen'] },
    { cause },
  );
}

function serveAlone(
  checkpoint: Checkpoint,
  { modules, options, table, device: name, interrupted }: ReferenceOptions,
  requests: readonly number[],
  onToken: (token: SampledToken) => void,
): void {
  const share = RequestTable.from(requests.map((request) => table.get(request)));
  // A block holds all heads here, and on a rank of the run its share of them: this pool takes the bytes that the run's takes.
  const { limits: own, pool, tensorParallelSize } = options;
  const numBlocks =
    pool === null ? own.numBlocks : Math.max(leastBlocks(own), Math.floor(own.numBlocks / tensorParallelSize));
  const limits = { ...own, queryLen: 1, numBlocks };
  const scheduler = { ...options.scheduler, ranks: 1, queryLen: 1, numBlocks };
  const { timeoutMs } = options;
  const { deviceMemory } = options;
  using device = openDevice({ device: name, ...(deviceMemory === null ? {} : { memoryLimit: deviceMemory }) });
  using planner = new StepPlanner(modules, { limits, rank: 0, ranks: 1, deviceSupplied: ['inputIds'] });
  const original = (request: number): number => requests[request];
  const ledger = new ModelLedger(table, { vocabSize: checkpoint.config.vocabSize, original });
  const rows = new RequestRows(planner, ledger);
  let decoder: Decoder | undefined;
  using rank = createRank({
    planner,
    device,
    collective: createSolo(),
    timeoutMs,
    forward: (executor) => {
      decoder = new Decoder(executor, checkpoint, limits, { supply: (local) => rows.supply(local) });
      return decoder;
    },
  });
  rank.captureSync();
  const work = new ModelWork(
    decoder as Decoder,
    ledger,
    {
      ...{ mode: 'full', seed: 0, timeoutMs, reference: null },
      controlsOf: (request) => controlsOf(options.sampling, options.scheduler.seed, original(request)),
    },
    (token) => onToken({ ...token, request: original(token.request) }),
  );
  const parts = {
    rank,
    rows,
    work,
    table: share,
    scheduler,
    tensorParallelSize: 1,
    timeoutMs,
    stepLog: null,
    timeline: null,
    interrupted,
  };
  new RunLoop(parts).run();
}
