// Entry of the worker thread that one process of a run lives in.
import { connectRank, createSolo } from '../ranks/index.js';
import { type RunRankData, runRank } from './run-rank.js';

const seat = connectRank();
const data = seat.data as RunRankData;
const solo = data.options.transport === 'solo';

runRank(data, {
  collective: solo ? createSolo() : seat.collective,
  interrupted: () => seat.interrupted(),
  progress: (progress) => seat.post(progress),
}).then(
  (report) => seat.finish(report),
  (error: unknown) => seat.fail(error),
);
