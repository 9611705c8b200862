import { vllmCaptureSizes, vllmSpecAlign, vllmUbatchSlices } from '../engines/index.js';
import { LockstepError } from '../errors.js';
import { createRawBatch } from '../planner/raw-batch.js';
import { DEFAULT_ROW_WORDS } from '../ranks/collective.js';
import { guardRow } from '../ranks/guard-row.js';
import { resolveGuard } from '../ranks/resolve-guard.js';
import { agreementAtom, agreementVllm, dispatchVllm, forwardModeAtom, padModeSglang } from './agreement-families.js';
import type { CaseFields } from './case-fields.js';

/** What this version answers to one case: plain JSON, to be compared with the case's `out`. */
export type FamilyRunner = (given: CaseFields) => unknown | Promise<unknown>;

/** Families this version runs, by name. */
export const FAMILIES: ReadonlyMap<string, FamilyRunner> = new Map<string, FamilyRunner>([
  ['agree-atom', agreementAtom],
  ['agree-vllm', agreementVllm],
  ['capture-guard-trtllm', captureGuard],
  ['dispatch-vllm', dispatchVllm],
  ['forward-mode-atom', forwardModeAtom],
  ['ladder-vllm', ladder],
  ['pad-mode-sglang', padModeSglang],
  ['slot-mapping', slotMapping],
  ['split-vllm', split],
]);

/** The guard's rows as the ranks would gather them, and its rule over them. */
function captureGuard(given: CaseFields): unknown {
  const hasBatch = given.booleans('hasBatch');
  const table = new Int32Array(hasBatch.length * DEFAULT_ROW_WORDS);
  for (const [rank, ready] of hasBatch.entries()) {
    const row = guardRow(DEFAULT_ROW_WORDS, { key: 0, ready }, 'throw');
    table.set(row, rank * DEFAULT_ROW_WORDS);
  }
  const outcome = resolveGuard(table, DEFAULT_ROW_WORDS);
  const missingRanks = outcome.kind === 'asymmetric' ? outcome.lacking.map(({ rank }) => rank) : [];
  const actions = { run: 'capture', skip: 'skip', asymmetric: 'abort', diverged: 'diverged' };
  return { action: actions[outcome.kind], missingRanks };
}

function ladder(given: CaseFields): unknown {
  switch (given.string('rule')) {
    case 'default':
      return {
        sizes: vllmCaptureSizes({
          maxNumSeqs: given.integer('maxNumSeqs'),
          maxNumBatchedTokens: given.integer('maxNumBatchedTokens'),
          queryLen: given.integer('queryLen'),
          ceiling: given.integer('ceiling'),
          maxSize: given.optionalInteger('maxSize'),
          interactive: given.boolean('interactive'),
        }),
      };
    case 'spec-align': {
      const options = {
        sizes: given.integers('sizes'),
        queryLen: given.integer('queryLen'),
        tensorParallelSize: given.integer('tensorParallelSize'),
        sequenceParallel: given.boolean('sequenceParallel'),
      };
      return refusable(() => ({ sizes: vllmSpecAlign(options) }));
    }
    default:
      throw given.invalid('rule', '"default" or "spec-align"');
  }
}

/** `{error: true}` where the engine refuses its configuration. */
function refusable(answer: () => unknown): unknown {
  try {
    return answer();
  } catch (error) {
    if (error instanceof LockstepError && error.code === 'ERR_CONFIG_INVALID') return { error: true };
    throw error;
  }
}

async function slotMapping(given: CaseFields): Promise<unknown> {
  const paddedTokens = given.integer('paddedTokens');
  const blockSize = given.integer('blockSize');
  const contextParallelSize = given.integer('contextParallelSize');
  const requests = given.list('requests').map((request) => ({
    numComputedTokens: request.integer('start'),
    queryLen: request.integer('queryLen'),
    blockIds: request.integers('blockIds'),
  }));
  const mostBlocks = Math.max(1, ...requests.map(({ blockIds }) => blockIds.length));
  using batch = await createRawBatch({
    limits: {
      maxNumSeqs: Math.max(1, requests.length),
      maxNumBatchedTokens: Math.max(1, paddedTokens),
      maxModelLen: mostBlocks * blockSize * contextParallelSize,
      blockSize,
      kernelBlockSize: given.integer('kernelBlockSize'),
      numBlocks: Math.max(2, ...requests.flatMap(({ blockIds }) => blockIds.map((block) => block + 1))),
      contextParallelSize,
      contextParallelRank: given.integer('contextParallelRank'),
      interleaveSize: given.integer('interleaveSize'),
    },
    poison: true,
  });
  for (const { queryLen, ...request } of requests) {
    batch.requests.schedule(batch.requests.add(request), { phase: 'prefill', queryLen });
  }
  const { slotMapping } = batch.buildPadded(paddedTokens, requests.length);
  return { slotMapping: Array.from(slotMapping.subarray(0, paddedTokens), Number) };
}

async function split(given: CaseFields): Promise<unknown> {
  const queryLens = given.integers('queryLens');
  const seqLens = given.integers('seqLens');
  const paddedTokens = given.integer('paddedTokens');
  const paddedRequests = given.integer('paddedRequests');
  const numUbatches = given.integer('numUbatches');
  if (seqLens.length !== queryLens.length) throw given.invalid('seqLens', 'as long as queryLens');
  const longest = Math.max(1, ...seqLens);
  using batch = await createRawBatch({
    limits: {
      maxNumSeqs: Math.max(1, paddedRequests),
      maxNumBatchedTokens: Math.max(1, paddedTokens),
      maxModelLen: longest,
      blockSize: longest,
    },
    parts: Math.max(2, numUbatches),
    poison: true,
  });
  for (const [index, queryLen] of queryLens.entries()) {
    const row = batch.requests.add({ blockIds: [index + 1], numComputedTokens: seqLens[index] - queryLen });
    batch.requests.schedule(row, { phase: 'prefill', queryLen });
  }
  const slices = vllmUbatchSlices(batch, { paddedTokens, paddedRequests, numUbatches });
  return slices.map((slice) => ({
    ...slice,
    queryStartLoc: [...slice.queryStartLoc],
    seqLens: [...slice.seqLens],
  }));
}
