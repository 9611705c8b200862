import type { RankFailure } from '../failure/rank-failure.js';
import type { ThreadsGroup } from './threads-group.js';

/** Where `workerData` holds the seat. */
export const SEAT = 'lockstepRank';

/** What a worker is started with. */
export interface RankSeat {
  readonly group: ThreadsGroup;
  readonly rank: number;
  readonly data: unknown;
}

/** What a supervisor sends to a worker. */
export interface SentMessage {
  readonly kind: 'sent';
  readonly message: unknown;
}

/** What a worker reports to its supervisor. */
export type RankMessage =
  | { readonly kind: 'post'; readonly message: unknown }
  | { readonly kind: 'finished'; readonly value: unknown }
  | { readonly kind: 'failed'; readonly failure: RankFailure };
