/** What a serving engine's steps change, made from a seed before anything is timed: the same events for the planner and its peer. */

/** A request that joins. It decodes at once if its prompt is computed already; otherwise the prompt is computed in chunks first. */
export interface Newcomer {
  /** Counts requests from 0 on in the order in which they join. */
  readonly request: number;
  readonly promptTokens: number;
  /** Tokens of the prompt that are computed already: all or none. */
  readonly numComputedTokens: number;
  readonly blockIds: Int32Array;
}

/** Tokens of a prompt that one step computes. */
export interface PromptChunk {
  readonly request: number;
  readonly start: number;
  readonly queryLen: number;
  /** The prompt ends with it: the request decodes from the next step on. */
  readonly last: boolean;
}

export interface StreamStep {
  /** Requests that left after the step before. */
  readonly finished: Int32Array;
  readonly joined: readonly Newcomer[];
  /** Requests that decode again and enter a block, and the block of each. */
  readonly entering: Int32Array;
  readonly blocks: Int32Array;
  /** Requests whose prompt ended in the step before: they decode for the first time. */
  readonly began: Int32Array;
  readonly chunks: readonly PromptChunk[];
  /** Accepted drafts of the previous step, for each request that decodes again, in the order in which they joined. */
  readonly accepted: Int32Array;
}

export interface EventStream {
  readonly initial: readonly Newcomer[];
  readonly steps: readonly StreamStep[];
  /** Tokens of one decode: 1 and its drafts. */
  readonly window: number;
  readonly blockSize: number;
  readonly maxModelLen: number;
  readonly numBlocks: number;
  /** Most requests in the batch at once. */
  readonly mostRequests: number;
  /** Most tokens of a step. */
  readonly mostTokens: number;
}

/** Requests, one of which is replaced at a time, over and over. */
export interface ReplaceStream {
  readonly initial: readonly Newcomer[];
  /** The index in `initial` of the request that each newcomer replaces. */
  readonly places: Int32Array;
  readonly newcomers: readonly Newcomer[];
  readonly blockSize: number;
  readonly maxModelLen: number;
  readonly numBlocks: number;
}

export interface StreamOptions {
  readonly requests: number;
  readonly steps: number;
  /** Share of the requests that finish in a step, each replaced by a newcomer. */
  readonly turnover: number;
  /** Prompt tokens of a step, where newcomers are prefilled; 0: they join as decodes. */
  readonly prefillTokens: number;
  /** Shortest and longest prompt. */
  readonly prompts: readonly [least: number, most: number];
  /** Drafts of each decode. */
  readonly drafts: number;
}

const BLOCK_SIZE = 16;
const SEED = 9;

/** A request while the stream is generated. */
interface Live {
  readonly request: number;
  position: number;
  promptLeft: number;
  readonly blocks: number[];
}

/** Whole numbers from a seed: the same on every machine. Source: Numerical Recipes' linear congruential generator. */
export class Numbers {
  #word: number;

  constructor(seed: number) {
    this.#word = seed >>> 0;
  }

  /** From `least` to `most`. */
  between(least: number, most: number): number {
    this.#word = (Math.imul(this.#word, 1664525) + 1013904223) >>> 0;
    return least + Math.floor((this.#word / 2 ** 32) * (most - least + 1));
  }
}

/** Generates a stream: each step advances its decodes by one token and their accepted drafts. */
export function eventStream(options: StreamOptions): EventStream {
  const { requests, turnover, prefillTokens, prompts, drafts } = options;
  const numbers = new Numbers(SEED);
  const window = 1 + drafts;
  const maxModelLen = Math.ceil((prompts[1] + (options.steps + 2) * window) / BLOCK_SIZE) * BLOCK_SIZE;
  const free: number[] = [];
  let neverUsed = 1;
  let joinedSoFar = 0;
  const block = (): number => free.pop() ?? neverUsed++;
  const join = (isPrefilled: boolean): { newcomer: Newcomer; live: Live } => {
    const promptTokens = numbers.between(prompts[0], prompts[1]);
    const blocks = Array.from({ length: Math.ceil((promptTokens + window) / BLOCK_SIZE) }, block);
    const request = joinedSoFar++;
    const numComputedTokens = isPrefilled ? 0 : promptTokens;
    const newcomer = { request, promptTokens, numComputedTokens, blockIds: Int32Array.from(blocks) };
    const promptLeft = promptTokens - numComputedTokens;
    return { newcomer, live: { request, position: numComputedTokens, promptLeft, blocks } };
  };
  const first = Array.from({ length: requests }, () => join(false));
  const initial = first.map(({ newcomer }) => newcomer);
  let decoding = first.map(({ live }) => live);
  const waiting: Live[] = [];
  let ended: Live[] = [];
  const steps: StreamStep[] = [];
  let mostRequests = requests;
  for (let step = 0; step < options.steps; step++) {
    const leaving = Math.floor((step + 1) * requests * turnover) - Math.floor(step * requests * turnover);
    const finished: number[] = [];
    for (let i = 0; i < leaving && decoding.length > 0; i++) {
      const [gone] = decoding.splice(numbers.between(0, decoding.length - 1), 1);
      finished.push(gone.request);
      free.push(...gone.blocks.reverse());
    }
    const accepted = drafts === 0 ? [] : decoding.map(() => numbers.between(0, drafts));
    const entering: number[] = [];
    const blocks: number[] = [];
    const enter = (live: Live): void => {
      if (live.position + window <= live.blocks.length * BLOCK_SIZE) return;
      live.blocks.push(block());
      entering.push(live.request);
      blocks.push(live.blocks[live.blocks.length - 1]);
    };
    for (const [index, live] of decoding.entries()) {
      live.position += 1 + (accepted[index] ?? 0);
      enter(live);
    }
    const began = ended.map(({ request }) => request);
    const newcomers = Array.from({ length: leaving }, () => join(prefillTokens > 0));
    waiting.push(...newcomers.map(({ live }) => live).filter(({ promptLeft }) => promptLeft > 0));
    const continued = [...decoding, ...ended];
    ended = [];
    const chunks: PromptChunk[] = [];
    for (let left = prefillTokens; left > 0 && waiting.length > 0; ) {
      const [live] = waiting;
      const queryLen = Math.min(left, live.promptLeft);
      left -= queryLen;
      live.promptLeft -= queryLen;
      const last = live.promptLeft === 0;
      chunks.push({ request: live.request, start: live.position, queryLen, last });
      live.position += queryLen;
      if (last) ended.push(...waiting.splice(0, 1));
    }
    decoding = [...continued, ...(prefillTokens > 0 ? [] : newcomers.map(({ live }) => live))];
    mostRequests = Math.max(mostRequests, decoding.length + ended.length + waiting.length);
    steps.push({
      finished: Int32Array.from(finished),
      joined: newcomers.map(({ newcomer }) => newcomer),
      entering: Int32Array.from(entering),
      blocks: Int32Array.from(blocks),
      began: Int32Array.from(began),
      chunks,
      accepted: Int32Array.from(accepted),
    });
  }
  packBlocks([...initial, ...steps.flatMap(({ joined }) => joined)]);
  const mostTokens = mostRequests * window + prefillTokens;
  return { initial, steps, window, blockSize: BLOCK_SIZE, maxModelLen, numBlocks: neverUsed, mostRequests, mostTokens };
}

/** Concatenates the blocks of newcomers into one array, as a scheduler would pass them. */
function packBlocks(newcomers: readonly { -readonly [K in keyof Newcomer]: Newcomer[K] }[]): void {
  const all = new Int32Array(newcomers.reduce((sum, { blockIds }) => sum + blockIds.length, 0));
  let at = 0;
  for (const newcomer of newcomers) {
    all.set(newcomer.blockIds, at);
    newcomer.blockIds = all.subarray(at, at + newcomer.blockIds.length);
    at += newcomer.blockIds.length;
  }
}

/** `replacements` newcomers, each in the place of any of `requests` requests, whose prompts are computed. */
export function replaceStream(requests: number, replacements: number): ReplaceStream {
  const numbers = new Numbers(SEED);
  const maxModelLen = 1040;
  let numBlocks = 1;
  const join = (request: number): Newcomer => {
    const promptTokens = numbers.between(32, 1024);
    const blockIds = Int32Array.from({ length: Math.ceil((promptTokens + 1) / BLOCK_SIZE) }, () => numBlocks++);
    return { request, promptTokens, numComputedTokens: promptTokens, blockIds };
  };
  const initial = Array.from({ length: requests }, (_, index) => join(index));
  const newcomers = Array.from({ length: replacements }, (_, index) => join(requests + index));
  const places = Int32Array.from(newcomers, () => numbers.between(0, requests - 1));
  return { initial, places, newcomers, blockSize: BLOCK_SIZE, maxModelLen, numBlocks };
}

/** Id of token `position` of a request; a pure function, so that every reader gets the same. */
export function tokenId(request: number, position: number): number {
  return (request * 31 + position * 7 + 1) % 50_000;
}
