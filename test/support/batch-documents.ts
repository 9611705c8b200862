import type { DocumentRequest } from '../../dist/explain/batch-document.js';
import type { BatchDocument } from '../../dist/explain/index.js';

/** A decode of `queryLen` tokens after those that are computed. */
export const decode = (numComputedTokens: number, blockIds?: number[], queryLen = 1): DocumentRequest => ({
  phase: 'decode',
  queryLen,
  numComputedTokens,
  blockIds,
});
/** A prompt, or a chunk of one, from its first token on. */
export const prefill = (queryLen: number, blockIds?: number[], lastChunk = true): DocumentRequest => ({
  phase: 'prefill',
  queryLen,
  numComputedTokens: 0,
  blockIds,
  lastChunk,
});
export const ranks = (...requests: DocumentRequest[][]): BatchDocument => ({
  ranks: requests.map((own) => ({ requests: own })),
});

/** So many decodes of one token after nine. */
export const many = (count: number): DocumentRequest[] => Array.from({ length: count }, () => decode(9));
