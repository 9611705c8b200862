// Entry of the worker thread that one process of a service lives in.
import { connectRank } from '../ranks/index.js';
import type { RankSetup } from './rank-setup.js';
import { serveRank } from './serve-rank.js';

const seat = connectRank();
serveRank(seat, seat.data as RankSetup).then(
  () => seat.finish(undefined),
  (error: unknown) => seat.fail(error),
);
