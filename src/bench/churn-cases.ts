import type { ScheduledChunk } from '../batch/index.js';
import type { PlannerModules } from '../memory/index.js';
import { decodes, scheduleBatch } from './batches.js';
import {
  type EventStream,
  eventStream,
  type Newcomer,
  type ReplaceStream,
  replaceStream,
  type StreamOptions,
} from './event-stream.js';
import type { BenchCase, BenchRow } from './measure.js';
import { StreamRun } from './stream-run.js';

/** Bytes that a decode's step writes anew: a position, a slot, a sequence length. */
const DECODE_BYTES = 20;
/** Bytes of each further token of a request: a position and a slot. */
const TOKEN_BYTES = 16;
/** Bytes of a prompt's token: those, its id, its request, and whether it is padding. */
const PROMPT_TOKEN_BYTES = 28;
/** Bytes of a block that a request is given: an entry of its list, and one of the table in each staging set. */
const BLOCK_BYTES = 12;
const SHARE_REPLACED = 0.02;

type Kind = Pick<StreamOptions, 'turnover' | 'prefillTokens' | 'prompts' | 'drafts'>;

const APPENDS: Kind = { turnover: 0, prefillTokens: 0, prompts: [32, 4000], drafts: 0 };
const CHURN: Kind = { ...APPENDS, turnover: SHARE_REPLACED };
/** Prompts as short as a step's budget of prompt tokens serves at that rate. */
const CHURN_PREFILL: Kind = { ...CHURN, prefillTokens: 2048, prompts: [32, 720] };
const SPECULATIVE: Kind = { ...APPENDS, drafts: 3 };

/** The event stream of a row: `count` requests, and few enough steps that it is generated quickly. */
function streamOf(kind: Kind, count: number): EventStream {
  return eventStream({ ...kind, requests: count, steps: Math.max(64, 65536 / count) });
}

/** Streams of the rows that take whole steps, by the row's name. */
export const STREAMS: Readonly<Record<string, () => EventStream>> = {
  'step-append-256': () => streamOf(APPENDS, 256),
  'churn-256': () => streamOf(CHURN, 256),
  'churn-4096': () => streamOf(CHURN, 4096),
  'churn-prefill-256': () => streamOf(CHURN_PREFILL, 256),
  'spec-256': () => streamOf(SPECULATIVE, 256),
};

/** Rows of steps in which requests are given blocks, join and leave, or draft; and rows that replace one request. */
export const CHURN_ROWS: readonly BenchRow[] = [
  ...Object.entries(STREAMS).map(
    ([name, stream]): BenchRow => ({ name, make: (modules) => churnCase(modules, stream()) }),
  ),
  ...[256, 65536].map(
    (count): BenchRow => ({
      name: `replace-one-${count}`,
      make: (modules) => replaceCase(modules, replaceStream(count, 1024)),
    }),
  ),
];

/** A whole step of a stream from JavaScript, beside a copy of as many bytes as a step writes on average. */
function churnCase(modules: PlannerModules, stream: EventStream): BenchCase {
  const run = new StreamRun(modules, stream);
  const limit = copyOf(modules, bytesOfStep(stream));
  let left = 0;
  return {
    most: stream.steps.length,
    ready: (calls) => {
      if (left < calls) {
        run.restart();
        left = stream.steps.length;
      }
      left -= calls;
    },
    ours: () => run.step(),
    limit,
    peer: { kind: 'stream', stream },
  };
}

/**
 * The cost of replacing one request: `remove`, `add`, `schedule`, the facts and order of the batch, and the block table of a staging
 * set and of the device. Tensors, which every step writes anew, are not written.
 */
function replaceCase(modules: PlannerModules, stream: ReplaceStream): BenchCase {
  const run = new ReplaceRun(modules, stream);
  const blocks = stream.newcomers.reduce((sum, { blockIds }) => sum + blockIds.length, 0);
  return {
    ours: () => run.step(),
    limit: copyOf(modules, (blocks / stream.newcomers.length) * BLOCK_BYTES),
    peer: { kind: 'replace', stream },
  };
}

/** A batch of which one request after another is replaced. */
export class ReplaceRun {
  readonly batch: ReturnType<typeof scheduleBatch>;
  /** The request in each place of the stream. */
  readonly there: Newcomer[];
  readonly rows: ReturnType<typeof scheduleBatch>['rows'][number][];
  readonly #stream: ReplaceStream;
  #next = 0;

  constructor(modules: PlannerModules, stream: ReplaceStream) {
    const { maxModelLen, numBlocks, blockSize } = stream;
    const count = stream.initial.length;
    const limits = { maxModelLen, numBlocks, blockSize, maxNumSeqs: count, maxNumBatchedTokens: count };
    this.#stream = stream;
    this.batch = scheduleBatch(modules, limits, []);
    this.there = [...stream.initial];
    this.rows = this.there.map((newcomer) => this.#join(newcomer));
    this.batch.memory.metadata.gather_facts(1);
    for (let set = 0; set < 2; set++) this.batch.memory.metadata.kernel_block_table(set);
  }

  step(): void {
    const { requests, memory } = this.batch;
    const at = this.#next % this.#stream.places.length;
    const place = this.#stream.places[at];
    const newcomer = this.#stream.newcomers[at];
    requests.remove(this.rows[place]);
    this.there[place] = newcomer;
    this.rows[place] = this.#join(newcomer);
    memory.metadata.gather_facts(1);
    memory.metadata.kernel_block_table(this.#next++ & 1);
  }

  #join(newcomer: Newcomer): (typeof this.rows)[number] {
    const row = this.batch.requests.add(newcomer);
    this.batch.requests.schedule(row, DECODE);
    return row;
  }
}

const DECODE: ScheduledChunk = { phase: 'decode', queryLen: 1 };

function bytesOfStep({ initial, steps, window }: EventStream): number {
  let bytes = 0;
  for (const { blocks, joined, chunks } of steps) {
    bytes += initial.length * (DECODE_BYTES + (window - 1) * TOKEN_BYTES);
    bytes += BLOCK_BYTES * joined.reduce((sum, { blockIds }) => sum + blockIds.length, blocks.length);
    bytes += PROMPT_TOKEN_BYTES * chunks.reduce((sum, { queryLen }) => sum + queryLen, 0);
  }
  return bytes / steps.length;
}

/** A copy of `bytes` bytes in a memory of its own. */
function copyOf(modules: PlannerModules, bytes: number): () => void {
  const { memory } = scheduleBatch(modules, {}, decodes(Math.ceil(bytes / 1024)));
  const { metadata } = memory;
  const [from, to] = [memory.groupOffset('blockTable0'), memory.groupOffset('blockTable1')];
  return () => metadata.limit_copy(to, from, bytes);
}
