import {
  agreeAtom,
  agreeVllm,
  createAtomAdapter,
  createVllmDispatcher,
  sglangPadMode,
  type VllmGraphMode,
} from '../engines/index.js';
import type { CaseFields } from './case-fields.js';

/** What the ranks agree to, and what one rank looks up, in each engine's terms: all of it calls `resolve`. */

export async function agreementVllm(given: CaseFields): Promise<unknown> {
  return agreeVllm({
    numUbatches: given.integer('numUbatches'),
    rows: given.list('rows').map((row) => ({
      numTokens: row.integer('numTokens'),
      paddedTokens: row.integer('paddedTokens'),
      wantsUbatch: row.boolean('wantsUbatch'),
      graphMode: graphMode(row),
    })),
  });
}

function graphMode(row: CaseFields): VllmGraphMode {
  const mode = row.string('graphMode');
  if (mode === 'none' || mode === 'piecewise' || mode === 'full') return mode;
  throw row.invalid('graphMode', '"none", "piecewise" or "full"');
}

export async function agreementAtom(given: CaseFields): Promise<unknown> {
  return agreeAtom(
    given.list('rows').map((row) => ({
      numTokens: row.integer('numTokens'),
      isPrefill: row.boolean('isPrefill'),
      meetsMinTokens: row.boolean('meetsMinTokens'),
      canSplit: row.boolean('canSplit'),
      ubatchTokens: row.integers('ubatchTokens'),
    })),
    { dpAttention: given.optionalBoolean('dpAttention') ?? true },
  );
}

export async function padModeSglang(given: CaseFields): Promise<unknown> {
  return {
    mode: await sglangPadMode({
      tokensPerRank: given.integers('tokensPerRank'),
      anyExtend: given.boolean('anyExtend'),
    }),
  };
}

export async function dispatchVllm(given: CaseFields): Promise<unknown> {
  const captureSizes = given.integers('captureSizes');
  const queryLen = given.integer('queryLen');
  const numTokens = given.integer('numTokens');
  const dispatcher = await createVllmDispatcher({
    captureSizes,
    queryLen,
    maxNumSeqs: given.integer('maxNumSeqs'),
    maxNumBatchedTokens: Math.max(queryLen, numTokens),
  });
  return dispatcher.dispatch({
    numRequests: given.integer('numRequests'),
    numTokens,
    uniformQueryLen: given.optionalInteger('uniformQueryLen') ?? null,
  });
}

export async function forwardModeAtom(given: CaseFields): Promise<unknown> {
  const queryLen = given.integer('queryLen');
  const step = {
    isPrefill: given.boolean('isPrefill'),
    numRequests: given.integer('numRequests'),
    paddedTokensAcrossRanks: given.integer('paddedTokensAcrossRanks'),
    uniformDecodeAcrossRanks: given.boolean('uniformDecodeAcrossRanks'),
  };
  using adapter = await createAtomAdapter({
    captureSizes: given.integers('captureSizes'),
    queryLen,
    enforceEager: given.boolean('enforceEager'),
    maxNumSeqs: Math.max(step.numRequests, Math.ceil(step.paddedTokensAcrossRanks / queryLen)),
  });
  return adapter.forwardMode(step);
}
