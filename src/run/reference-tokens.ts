import type { Checkpoint } from '../checkpoint/index.js';
import { Decoder } from '../decoder/index.js';
import { openDevice } from '../device/index.js';
import type { PlannerModules } from '../memory/index.js';
import { StepPlanner } from '../planner/index.js';
import { allGatherBytesSync, type Collective, createSolo } from '../ranks/index.js';
import { createRank } from '../runtime/index.js';
import { RequestTable } from '../workload/index.js';
import { ModelLedger } from './model-ledger.js';
import { ModelWork, type SampledToken } from './model-work.js';
import { RequestRows } from './request-rows.js';
import { RunLoop } from './run-loop.js';
import type { CompleteRunOptions } from './run-options.js';

/** A share of a large workload takes hours; a rank that is lost ends the wait at once. */
const LONGEST_WAIT_MS = 2 ** 31 - 1;

/**
 * What every request of a workload generates where one rank serves it alone, eager, a token a step: tokens, and a hash of the logits of
 * each.
 */
export class ReferenceTokens {
  readonly #offsets: Float64Array;
  /** i32[outputTokens of all requests], twice; and which of them there are. */
  readonly #tokens: Int32Array;
  readonly #logits: Int32Array;
  readonly #known: Uint8Array;
  readonly #table: RequestTable;

  constructor(table: RequestTable) {
    this.#table = table;
    this.#offsets = new Float64Array(table.length + 1);
    for (let request = 0; request < table.length; request++) {
      this.#offsets[request + 1] = this.#offsets[request] + table.outputTokens[request];
    }
    const total = this.#offsets[table.length];
    this.#tokens = new Int32Array(total);
    this.#logits = new Int32Array(total);
    this.#known = new Uint8Array(total);
  }

  /** Notes the token that a request generates as its `output`th, from 0; one past its last is dropped. */
  set(request: number, output: number, token: number, logits: number): void {
    if (output >= this.#table.outputTokens[request]) return;
    const at = this.#offsets[request] + output;
    this.#tokens[at] = token;
    this.#logits[at] = logits;
    this.#known[at] = 1;
  }

  /** Whether it is known: a request that fits no limit generates nothing. */
  has(request: number, output: number): boolean {
    return output < this.#table.outputTokens[request] && this.#known[this.#offsets[request] + output] === 1;
  }

  tokenAt(request: number, output: number): number {
    return this.#tokens[this.#offsets[request] + output];
  }

  logitsAt(request: number, output: number): number {
    return this.#logits[this.#offsets[request] + output];
  }

  /** Takes over what others know, each of the requests that `isOf` says are its. Every rank calls it. */
  gather(collective: Collective, ownerOf: (request: number) => number): void {
    if (collective.size === 1) return;
    const entries = (rank: number): number[] => {
      const all: number[] = [];
      for (let request = 0; request < this.#table.length; request++) {
        if (ownerOf(request) !== rank) continue;
        for (let at = this.#offsets[request]; at < this.#offsets[request + 1]; at++) all.push(at);
      }
      return all;
    };
    const own = Int32Array.from(
      entries(collective.rank).flatMap((at) => [this.#known[at], this.#tokens[at], this.#logits[at]]),
    );
    const all = allGatherBytesSync(collective, new Uint8Array(own.buffer), { timeoutMs: LONGEST_WAIT_MS });
    for (const [rank, bytes] of all.entries()) {
      const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
      for (const [index, at] of entries(rank).entries()) {
        this.#known[at] = words[index * 3];
        this.#tokens[at] = words[index * 3 + 1];
        this.#logits[at] = words[index * 3 + 2];
      }
    }
  }
}

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
 * The reference of a workload. Each rank serves its share of the requests, alone on a device context and a planner of its own; then all get
 * all. Errors: what a rank of one throws, and what `allGatherSync` throws.
 */
export function referenceTokens(checkpoint: Checkpoint, given: ReferenceOptions): ReferenceTokens {
  const { table, collective } = given;
  const reference = new ReferenceTokens(table);
  const ownerOf = (request: number): number => request % collective.size;
  const own = Array.from(table).filter(({ id }) => ownerOf(id) === collective.rank);
  if (own.length > 0) {
    serveAlone(
      checkpoint,
      given,
      own.map(({ id }) => id),
      ({ request, position, token, logits }) =>
        reference.set(request, position - table.inputTokens[request], token, logits as number),
    );
  }
  reference.gather(collective, ownerOf);
  return reference;
}

function serveAlone(
  checkpoint: Checkpoint,
  { modules, options, table, device: name, interrupted }: ReferenceOptions,
  requests: readonly number[],
  onToken: (token: SampledToken) => void,
): void {
  const share = RequestTable.from(requests.map((request) => table.get(request)));
  const limits = { ...options.limits, queryLen: 1 };
  const scheduler = { ...options.scheduler, ranks: 1, queryLen: 1 };
  const { timeoutMs } = options;
  using device = openDevice({ device: name });
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
  rank.capture();
  const work = new ModelWork(
    decoder as Decoder,
    ledger,
    { mode: 'full', seed: 0, timeoutMs, reference: null },
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
    interrupted,
  };
  new RunLoop(parts).run();
}
