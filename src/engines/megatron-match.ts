import type { MegatronShape } from './megatron.js';

/** A batch as Megatron counts it. */
export interface MegatronBatch {
  readonly numTokens: number;
  readonly numPrefillRequests: number;
  readonly numDecodeRequests: number;
  /** Prefill slots hold prefills alone; else also decodes. */
  readonly strict: boolean;
}

/**
 * The smallest captured shape that holds a batch, by tokens, then prefills, then decodes; null runs eager. A batch of
 * decodes matches decode shapes alone. Source: Megatron-LM `match_graph_config`.
 */
export function megatronMatch(shapes: readonly MegatronShape[], batch: MegatronBatch): MegatronShape | null {
  const { numTokens, numPrefillRequests, numDecodeRequests, strict } = batch;
  const holds = ([tokens, prefills, decodes]: MegatronShape): boolean => {
    if (tokens < numTokens) return false;
    if (numPrefillRequests === 0) return prefills === 0 && decodes >= numDecodeRequests;
    if (prefills < numPrefillRequests) return false;
    return strict ? decodes >= numDecodeRequests : prefills + decodes >= numPrefillRequests + numDecodeRequests;
  };
  const fitting = shapes.filter(holds).sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]);
  return fitting[0] ?? null;
}
