import type { DecisionValue, KeyCandidate } from '../agreement/index.js';
import type { ForwardBatch, LocalPart } from '../batch/index.js';
import { kvGroupsOf, type Limits } from '../config.js';
import { LockstepError } from '../errors.js';
import type { CapturePlan } from '../keys/index.js';
import { VOTE_WORDS } from '../layout/index.js';
import { loadModules } from '../memory/index.js';
import { StepPlanner } from '../planner/index.js';
import type { Policy } from '../policy/index.js';
import { type BatchDocument, checkBatchDocument, type DocumentRank, type DocumentRequest } from './batch-document.js';
import { type PlainTensors, plainTensors } from './plain-tensors.js';

/** The options that all ranks share. */
export interface ExplainOptions {
  /** Limits; those left out take their defaults. */
  readonly limits?: Partial<Limits>;
  /** Choices behind the decision; those left out take their defaults. */
  readonly policy?: Partial<Policy>;
  /** Captured graphs. Default none: every step runs eager. */
  readonly plan?: CapturePlan;
}

/** A vote's words by their layout names, the reserved ones left out. */
export type VoteRecord = Readonly<Record<string, number>>;

/** A rank's forward batch, by value. */
export interface LocalRecord {
  readonly tokens: number;
  readonly requests: number;
  readonly decodeRequests: number;
  readonly paddedTokens: number;
  readonly attentionRequests: number;
  readonly queryLen: number;
  readonly numLogits: number;
  readonly maxSeqLen: number;
  /** Index of the document's request at each place of the batch: decodes come first. */
  readonly order: readonly number[];
  readonly parts: readonly LocalPart[];
}

/** Block ids made up for a request that named none. */
export interface InventedBlocks {
  readonly rank: number;
  readonly request: number;
  readonly blockIds: readonly number[];
  /** The KV cache group they are of, where there are several. */
  readonly group?: number;
}

/** The outcome of one step's batches, rank by rank; plain JSON. */
export interface BatchExplanation {
  /** Version of the document: keys may be added under the same number. */
  readonly schemaVersion: 1;
  /** What each rank voted. */
  readonly votes: readonly VoteRecord[];
  /** What all ranks decided. */
  readonly decision: DecisionValue;
  /** The verdict on each key of the plan, in its order: the one that runs, and why each other one does not. */
  readonly candidates: readonly KeyCandidate[];
  /** The forward batch of each rank. */
  readonly local: readonly LocalRecord[];
  /** The tensors of each rank, as arrays of numbers. */
  readonly tensors: readonly PlainTensors[];
  /** Block ids that were made up, request by request. */
  readonly inventedBlocks: readonly InventedBlocks[];
}

/**
 * Plans one step of all ranks as each of them would: a planner a rank, its vote, the decision, its tensors. Needs no addon.
 * Errors: ERR_INPUT_INVALID for a document of another shape; those of the planner, with the rank and the request in their
 * details and message; ERR_CONFIG_INVALID and ERR_PLAN_CAPACITY for the options.
 */
export async function explainBatch(document: BatchDocument, options: ExplainOptions = {}): Promise<BatchExplanation> {
  const { ranks } = checkBatchDocument(document);
  const modules = await loadModules();
  const planners: StepPlanner[] = [];
  try {
    for (const rank of ranks.keys()) planners.push(new StepPlanner(modules, { ...options, rank, ranks: ranks.length }));
    const rows = ranks.map(({ requests }, rank) => new ScheduledRank(planners[rank], rank, requests));
    const table = new Int32Array(ranks.length * VOTE_WORDS.length);
    for (const [rank, planner] of planners.entries()) table.set(planner.vote(), rank * VOTE_WORDS.length);
    const decisions = planners.map((planner) => planner.resolve(table));
    const candidates = planners[0].candidates();
    const locals = planners.map((planner, rank) => planner.build(decisions[rank]));
    return {
      schemaVersion: 1,
      votes: ranks.map((_, rank) =>
        voteRecord(table.subarray(rank * VOTE_WORDS.length, (rank + 1) * VOTE_WORDS.length)),
      ),
      decision: planners[0].decision.snapshot(),
      candidates,
      local: locals.map((local, rank) => localRecord(local, rows[rank].order())),
      tensors: locals.map(plainTensors),
      inventedBlocks: rows.flatMap(({ invented }) => invented),
    };
  } finally {
    for (const planner of planners) planner.dispose();
  }
}

/** Requests of one rank, added and scheduled. */
class ScheduledRank {
  readonly invented: InventedBlocks[] = [];
  readonly #planner: StepPlanner;
  readonly #rows: number[];

  constructor(planner: StepPlanner, rank: number, requests: DocumentRank['requests']) {
    this.#planner = planner;
    const groups = kvGroupsOf(planner.limits);
    const free = groups.map((_, group) => freeBlocks(requests, group));
    this.#rows = requests.map((request, index) => {
      try {
        return this.#schedule(request, () => {
          // The planner refuses a request that is too long.
          const tokens = Math.min(request.numComputedTokens + request.queryLen, planner.limits.maxModelLen);
          const lists = groups.map(({ blockSize, numBlocks }, group) => {
            const blockIds = take(free[group], Math.ceil(tokens / blockSize), numBlocks);
            this.invented.push({ rank, request: index, blockIds, ...(groups.length > 1 && { group }) });
            return blockIds;
          });
          return lists.length === 1 ? lists[0] : lists;
        });
      } catch (error) {
        throw located(error, rank, index);
      }
    });
  }

  /** Index of the request at each place of the batch, as the metadata module ordered it. */
  order(): number[] {
    const { order } = this.#planner.local;
    return this.#rows.map((_, place) => this.#rows.indexOf(order[place]));
  }

  #schedule(request: DocumentRequest, invent: () => NonNullable<DocumentRequest['blockIds']>): number {
    const { phase, queryLen, numComputedTokens, lastChunk, inputIds } = request;
    const { requests } = this.#planner;
    const row = requests.add({ blockIds: request.blockIds ?? invent(), numComputedTokens });
    requests.schedule(row, { phase, queryLen, lastChunk, ...(inputIds && { inputIds: Int32Array.from(inputIds) }) });
    return row;
  }
}

/** Ids of a KV cache group from 1 on that no request names. */
function* freeBlocks(requests: DocumentRank['requests'], group: number): Generator<number, never> {
  const named = new Set(requests.flatMap(({ blockIds = [] }) => (isNested(blockIds) ? blockIds[group] : blockIds)));
  for (let block = 1; ; block++) if (!named.has(block)) yield block;
}

function isNested(blockIds: NonNullable<DocumentRequest['blockIds']>): blockIds is readonly (readonly number[])[] {
  return blockIds.some((item: unknown) => Array.isArray(item));
}

function take(free: Generator<number, never>, count: number, numBlocks: number): number[] {
  const blocks: number[] = [];
  while (blocks.length < count) {
    const block = free.next().value;
    if (block >= numBlocks) {
      throw new LockstepError(
        'ERR_BATCH_LIMIT',
        `${count} more blocks are needed, and numBlocks is ${numBlocks}, the null block included. Raise numBlocks.`,
        { blocks: count, numBlocks, options: ['numBlocks'] },
      );
    }
    blocks.push(block);
  }
  return blocks;
}

function located(error: unknown, rank: number, request: number): unknown {
  if (!(error instanceof LockstepError)) return error;
  const message = `ranks[${rank}].requests[${request}]: ${error.message}`;
  return new LockstepError(error.code, message, { ...error.details, rank, request }, { cause: error });
}

function voteRecord(row: Int32Array): VoteRecord {
  const named = VOTE_WORDS.map((name, index) => [name, row[index]] as const);
  return Object.fromEntries(named.filter(([name]) => !name.startsWith('reserved')));
}

function localRecord(local: ForwardBatch, order: readonly number[]): LocalRecord {
  return {
    tokens: local.tokens,
    requests: local.requests,
    decodeRequests: local.decodeRequests,
    paddedTokens: local.paddedTokens,
    attentionRequests: local.attentionRequests,
    queryLen: local.queryLen,
    numLogits: local.numLogits,
    maxSeqLen: local.maxSeqLen,
    order,
    parts: Array.from({ length: local.partCount }, (_, part) => local.part(part)),
  };
}
