import type { ForwardBatch } from '../batch/index.js';
import type { RankSchedule } from '../workload/index.js';

/** The first entry found wrong in a request's cache. */
export interface Mismatch {
  /** The step in which it was found. */
  readonly step: number;
  /** Number of the request in the workload. */
  readonly request: number;
  /** Position of the token in the request, from 0. */
  readonly position: number;
  /** What was written there, or what the reference has. */
  readonly expected: number;
  /** What was read. */
  readonly found: number;
  /** Of a model's run: what differs; `logits` by a hash of their bits. */
  readonly what?: 'token' | 'logits' | 'accepted drafts';
}

/** What the ranks of a run compute, and how each step is verified. */
export interface RunWork {
  /** Comparisons made, and those that failed. */
  readonly compared: number;
  readonly mismatches: number;
  /** The first few that failed. */
  readonly first: readonly Mismatch[];
  /** Of a model: drafts that it took, and that it did not. */
  readonly acceptedDrafts?: number;
  readonly rejectedDrafts?: number;
  /** Those of them whose requests draw their tokens at a temperature above 0. */
  readonly sampledAcceptedDrafts?: number;
  readonly sampledRejectedDrafts?: number;
  /**
   * After a launched step: waits for it and checks it. The schedule's chunks are in the order of the batch's rows; where a graph has unused
   * slots between them, `local.order` is -1.
   */
  check(schedule: RankSchedule, local: ForwardBatch, step: number): void;
  /**
   * Of a run that plans ahead: enqueues what samples a launched step, and returns what waits for it and checks it, which is called once
   * the step after it is launched. Null where steps cannot be planned ahead.
   */
  readonly launch?: ((schedule: RankSchedule, local: ForwardBatch, step: number) => () => void) | null;
}
