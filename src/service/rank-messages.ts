import type { StepStats } from '../runtime/index.js';
import type { EngineEvent, EngineStats } from './engine-events.js';
import type { EngineEnd } from './engine-request.js';
import type { TokenLogprobs } from './token-logprobs.js';

/** What a rank is sent. Each is numbered by its place; all processes of a replica get the same in the same order. */
export type ToRank = EngineEvent;

/** What the service tells the first process of an MPI job: a message for a replica. */
export interface ToProcess {
  readonly to: number;
  readonly message: ToRank;
}

/** What that process tells the service: a report of a replica. */
export interface FromProcess {
  readonly from: number;
  readonly message: FromRank;
}

/** What the first process of each replica reports. */
export type FromRank =
  /** It can serve. */
  | {
      readonly kind: 'ready';
      readonly device: string;
      readonly deviceChoice: string;
      readonly graphs: number;
      /** Of its KV pool, the null block included: equal on all ranks. */
      readonly numBlocks: number;
    }
  /** It took a step in which something changed. */
  | {
      readonly kind: 'step';
      /** Messages that were in effect. */
      readonly seen: number;
      readonly running: number;
      readonly waiting: number;
      /** Int32[n, 3]: request, token (-1 for none), index of how it ended in `ENDS`. */
      readonly tokens: Int32Array;
      /** How likely each was, null where its request does not ask; left out where none does. */
      readonly logprobs?: readonly (TokenLogprobs | null)[];
    }
  /** Counts, some times a second while it works, and when it parks. */
  | { readonly kind: 'stats'; readonly engine: EngineStats; readonly steps: StepStats };

/** How a request ended, by the number that a message says it with. */
export const ENDS: readonly (EngineEnd | null)[] = [null, 'stop', 'length', 'cancelled'];

/** Requests are numbered for ranks in 31 bits. */
export const MAX_REQUEST: number = 2 ** 31 - 1;
