/** The tokens that one request computes in one step. */
export interface Chunk {
  /** Request id, the index in the `RequestTable`. */
  readonly request: number;
  /** Stated, never inferred from the shape: a prefill of one token is still a prefill. */
  readonly phase: 'decode' | 'prefill';
  /** numComputedTokens before the step: the position of the chunk's first token. */
  readonly start: number;
  /** Tokens of the chunk: prompt tokens, or the confirmed token and its drafts. At least 1. */
  readonly queryLen: number;
  /** Whether the step samples after this chunk: the last chunk of a prefill, and every decode. */
  readonly lastChunk: boolean;
  /** By how much numComputedTokens grows with the step: `queryLen` of a prefill, 1 + accepted drafts of a decode. */
  readonly advance: number;
}

/** Totals of the chunks of one rank's step. */
export interface BatchTotals {
  /** Tokens of all chunks; 0 for an idle rank, whose other totals are 0 too. */
  readonly tokens: number;
  /** Sum of the sequence lengths after the chunks, in tokens. */
  readonly kvTokens: number;
  /** The largest sequence length after the chunks, in tokens. */
  readonly maxSeqLen: number;
  /** Chunks that decode. */
  readonly decodeRequests: number;
  /** Chunks that prefill. */
  readonly prefillRequests: number;
  /** Most tokens of a chunk. */
  readonly maxQueryLen: number;
  /** Fewest tokens of a chunk. */
  readonly minQueryLen: number;
  /** Most tokens of a chunk that decodes; 0 where none does. */
  readonly maxDecodeQueryLen: number;
}

/** A request that gets a row in this step. */
export interface AddedRequest {
  /** Number of the request in the workload. */
  readonly request: number;
  /** Tokens whose KV blocks the prefix cache already held; whole blocks. */
  readonly numComputedTokens: number;
  /** All its blocks so far, those of the reused prefix first. Block 0 is never among them. */
  readonly blockIds: readonly number[];
}

/** Blocks that a running request receives in this step. */
export interface AppendedBlocks {
  /** Number of the request in the workload. */
  readonly request: number;
  /** Ids of the blocks, in the order of their positions. */
  readonly blockIds: readonly number[];
}

/**
 * What one rank does in a step. Apply in this order: `removed`, `added`, `appended`, `scheduled`. After that the blocks
 * of a request cover every position its chunk writes. Empty `scheduled` is an idle rank.
 */
export interface RankSchedule {
  /** Requests whose row is removed before this step: they finished in an earlier step or are preempted now. */
  readonly removed: readonly number[];
  /** Requests that get a row. */
  readonly added: readonly AddedRequest[];
  /** Running requests that get blocks. */
  readonly appended: readonly AppendedBlocks[];
  /** All decodes, in order of admission, then the prefill chunks, in order of admission. */
  readonly scheduled: readonly Chunk[];
}

/**
 * What every rank does in a step. The object and its chunks are reused: read them before `complete()`, and copy what
 * has to last.
 */
export interface StepSchedule {
  /** Counts from 0; parked steps count too. */
  readonly step: number;
  /** No rank has work: they will agree to park until the next arrival. */
  readonly idle: boolean;
  /** RankSchedule[ranks]. */
  readonly ranks: readonly RankSchedule[];
}
