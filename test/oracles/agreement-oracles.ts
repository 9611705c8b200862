import type {
  AtomAgreement,
  AtomForwardMode,
  AtomVote,
  MegatronBatch,
  MegatronShape,
  SglangPadMode,
  VllmAgreement,
  VllmBatch,
  VllmDispatch,
  VllmGraphMode,
  VllmVote,
} from '../../dist/engines/index.js';

/** vLLM V1's coordinate_batch_across_dp, line by line over the four rows of its tensor. */
export function vllmAgreementPlain(numUbatches: number, rows: readonly VllmVote[]): VllmAgreement {
  const order: VllmGraphMode[] = ['none', 'piecewise', 'full'];
  const padded = rows.map((row) => row.paddedTokens);
  if (rows.length === 1) return { graphMode: rows[0].graphMode, ubatching: false, paddedTokens: padded };
  const largest = Math.max(...padded);
  const graphMode = order[Math.min(...rows.map((row) => order.indexOf(row.graphMode)))];
  const smallest = Math.min(...rows.map((row) => row.numTokens));
  const lastStart = Math.floor(largest / numUbatches) * (numUbatches - 1);
  const ubatching = rows.every((row) => row.wantsUbatch) && lastStart < smallest;
  return {
    graphMode,
    ubatching,
    paddedTokens: graphMode !== 'none' || ubatching ? padded.map(() => largest) : padded,
  };
}

/** ATOM's sync: tokens and phases, then micro-batches. */
export function atomAgreementPlain(rows: readonly AtomVote[]): AtomAgreement {
  const uniformDecode = rows.length === 1 || !rows.some((row) => row.isPrefill);
  const tokens = rows.map((row) => row.numTokens);
  const ubatching =
    rows.some((row) => row.meetsMinTokens) &&
    rows.every((row) => row.canSplit) &&
    new Set(rows.map((row) => row.isPrefill)).size === 1;
  const parts = rows[0].ubatchTokens.map((_, part) => Math.max(...rows.map((row) => row.ubatchTokens[part])));
  return {
    uniformDecode,
    ubatching,
    paddedTokens: uniformDecode ? tokens.map(() => Math.max(...tokens)) : tokens,
    ubatchMaxTokens: ubatching && rows.length > 1 ? parts : null,
  };
}

/** ATOM's ForwardMode, condition by condition. */
export function atomForwardModePlain(given: {
  readonly isPrefill: boolean;
  readonly numRequests: number;
  readonly paddedTokensAcrossRanks: number;
  readonly uniformDecodeAcrossRanks: boolean;
  readonly enforceEager: boolean;
  readonly captureSizes: readonly number[];
  readonly queryLen: number;
}): AtomForwardMode {
  const { numRequests } = given;
  if (given.isPrefill || !given.uniformDecodeAcrossRanks)
    return { useGraph: false, attentionBatch: numRequests, moePadBatch: numRequests };
  const batch = Math.ceil(given.paddedTokensAcrossRanks / given.queryLen);
  const graph = Math.min(...given.captureSizes.filter((size) => size >= batch));
  if (given.enforceEager || graph === Number.POSITIVE_INFINITY)
    return { useGraph: false, attentionBatch: numRequests, moePadBatch: batch };
  return { useGraph: true, attentionBatch: graph, moePadBatch: graph };
}

/** SGLang's get_dp_padding_mode without an all-to-all backend; counts are aligned to the attention group first. */
export function sglangPadModePlain(tokens: readonly number[], anyExtend: boolean, alignment: number): SglangPadMode {
  const aligned = tokens.map((count) => Math.ceil(count / alignment) * alignment);
  if (anyExtend && tokens.length > 1) return 'sum-len';
  const sum = aligned.reduce((total, count) => total + count, 0);
  return 2 * sum >= Math.max(...aligned) * tokens.length ? 'max-len' : 'sum-len';
}

/** vLLM V2's CudaGraphManager: descriptors of each mode in ascending size, full ones before piecewise ones. */
export function vllmDispatchPlain(
  captureSizes: readonly number[],
  queryLen: number,
  maxNumSeqs: number,
  batch: VllmBatch,
): VllmDispatch {
  const sizes = [...captureSizes].sort((a, b) => a - b);
  const { numTokens, numRequests, uniformQueryLen } = batch;
  if (uniformQueryLen === queryLen && numTokens > 0) {
    for (const size of sizes) {
      let tokens = size;
      while (tokens % queryLen !== 0) tokens += 1;
      const requests = tokens / queryLen;
      if (tokens > maxNumSeqs * queryLen || tokens > sizes[sizes.length - 1] || requests > maxNumSeqs) continue;
      if (tokens >= numTokens && requests >= numRequests)
        return { mode: 'full', numTokens: tokens, numRequests: requests };
    }
  }
  for (const size of sizes) {
    if (numTokens > 0 && size >= numTokens) return { mode: 'piecewise', numTokens: size, numRequests: null };
  }
  return { mode: 'none', numTokens, numRequests };
}

/** The same where full graphs are not of uniform decodes: one of a size for any step, or for decodes of any lengths up to the query length. */
export function vllmSlotDispatchPlain(
  captureSizes: readonly number[],
  queryLen: number,
  maxNumSeqs: number,
  batch: VllmBatch,
  full: 'any-step' | 'decodes',
): VllmDispatch {
  const { numTokens, numRequests, uniformQueryLen, longestDecode } = batch;
  const longest = uniformQueryLen ?? longestDecode ?? Infinity;
  const descriptors = [...captureSizes]
    .sort((a, b) => a - b)
    .filter((size) => full === 'any-step' || size <= maxNumSeqs * queryLen)
    .map((size) => ({ tokens: size, requests: Math.min(size, maxNumSeqs) }));
  const bound = full === 'any-step' ? Infinity : queryLen;
  const serving = descriptors.find(
    ({ tokens, requests }) => numTokens > 0 && tokens >= numTokens && requests >= numRequests && longest <= bound,
  );
  if (serving !== undefined) return { mode: 'full', numTokens: serving.tokens, numRequests: serving.requests };
  if (full === 'any-step') return { mode: 'none', numTokens, numRequests };
  return vllmDispatchPlain(captureSizes, 1, 0, { ...batch, uniformQueryLen: null });
}

/** Megatron's match: the smallest applicable shape by (tokens, prefills, decodes). */
export function megatronMatchPlain(
  shapes: readonly MegatronShape[],
  batch: MegatronBatch,
  strict: boolean,
): MegatronShape | null {
  const prefills = batch.numPrefillRequests;
  const decodes = batch.numDecodeRequests;
  const applicable = shapes.filter(([tokens, p, d]) => {
    if (tokens < batch.numTokens) return false;
    if (prefills === 0) return p === 0 && d >= decodes;
    return p >= prefills && (strict ? d >= decodes : p + d >= prefills + decodes);
  });
  const ordered = applicable.sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]);
  return ordered[0] ?? null;
}
