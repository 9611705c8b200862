import { createRawBatch } from '../batch/index.js';
import { atomUbatchSlices, sglangExtendSplit, vllmUbatchSlices } from '../engines/index.js';
import { DEFAULT_ROW_WORDS, type GuardOutcome, guardRow, resolveGuard } from '../ranks/index.js';
import { agreementAtom, agreementVllm, dispatchVllm, forwardModeAtom, padModeSglang } from './agreement-families.js';
import type { CaseFields, FamilyRunner } from './case-fields.js';
import { megatronLadder, sglangLadder, trtllmLadder, vllmLadder } from './ladder-families.js';

/** Families this version runs, by name. */
export const FAMILIES: ReadonlyMap<string, FamilyRunner> = new Map<string, FamilyRunner>([
  ['agree-atom', agreementAtom],
  ['agree-vllm', agreementVllm],
  ['capture-guard-trtllm', captureGuard],
  ['dispatch-vllm', dispatchVllm],
  ['forward-mode-atom', forwardModeAtom],
  ['ladder-megatron', megatronLadder],
  ['ladder-sglang', sglangLadder],
  ['ladder-trtllm', trtllmLadder],
  ['ladder-vllm', vllmLadder],
  ['pad-mode-sglang', padModeSglang],
  ['slot-mapping', slotMapping],
  ['split-atom', atomSplit],
  ['split-sglang', sglangSplit],
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
  const actions: Partial<Record<GuardOutcome['kind'], string>> = { run: 'capture', skip: 'skip', asymmetric: 'abort' };
  return { action: actions[outcome.kind] ?? 'diverged', missingRanks };
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

async function atomSplit(given: CaseFields): Promise<unknown> {
  const rule = given.string('rule');
  const queryLens = given.integers('queryLens');
  const numUbatches = given.integer('numUbatches');
  if (rule !== 'decode' && rule !== 'balanced' && rule !== 'token-midpoint') {
    throw given.invalid('rule', '"decode", "balanced" or "token-midpoint"');
  }
  const longest = Math.max(1, ...queryLens);
  const tokens = queryLens.reduce((sum, length) => sum + length, 0);
  using batch = await createRawBatch({
    limits: {
      maxNumSeqs: Math.max(1, queryLens.length),
      maxNumBatchedTokens: Math.max(longest, tokens),
      maxModelLen: longest,
      blockSize: longest,
      queryLen: rule === 'decode' ? longest : 1,
    },
    parts: Math.max(2, numUbatches),
    split: rule === 'balanced' ? 'balanced' : 'token-midpoint',
    poison: true,
  });
  for (const [index, queryLen] of queryLens.entries()) {
    const row = batch.requests.add({ blockIds: [index + 1] });
    batch.requests.schedule(row, { phase: rule === 'decode' ? 'decode' : 'prefill', queryLen });
  }
  const maxTokensPerUbatch = rule === 'decode' ? undefined : given.optionalInteger('maxTokensPerUbatch');
  return atomUbatchSlices(batch, { numUbatches, maxTokensPerUbatch });
}

function sglangSplit(given: CaseFields): unknown {
  switch (given.string('rule')) {
    case 'extend':
      return sglangExtendSplit(given.integers('queryLens'), given.number('threshold'));
    default:
      throw given.invalid('rule', '"extend"');
  }
}
