// Entry of the worker thread that one process of a run lives in.
import { asLockstepError } from '../errors.js';
import { allGatherBytesSync, connectRank, createSolo, joinMpi } from '../ranks/index.js';
import { muster } from './muster.js';
import { type RankHost, type RankReport, type RunMessage, type RunRankData, runRank } from './run-rank.js';

const seat = connectRank();
const data = seat.data as RunRankData;
const host = {
  interrupted: (): boolean => seat.interrupted(),
  tell: (message: RunMessage): void => seat.post(message),
};

(data.options.transport === 'mpi' ? runMpiRank() : runThread()).then(
  (result) => seat.finish(result),
  (error: unknown) => seat.fail(error),
);

function runThread(): Promise<RankReport> {
  const solo = data.options.transport === 'solo';
  return runRank(data, { ...host, collective: solo ? createSolo() : seat.collective });
}

/** The one rank of this process. Every process gets the reports of all. */
async function runMpiRank(): Promise<RankReport[]> {
  const collective = joinMpi({ isInterrupted: host.interrupted });
  try {
    const run = muster(collective, data);
    const rankHost: RankHost = { ...host, collective, interrupted: () => collective.interrupted };
    const report = await runRank({ ...data, run }, rankHost);
    const bytes = new TextEncoder().encode(JSON.stringify(report));
    const all = allGatherBytesSync(collective, bytes, { timeoutMs: data.options.timeoutMs });
    collective.dispose();
    return all.map((text) => JSON.parse(new TextDecoder().decode(text)) as RankReport);
  } catch (error) {
    collective.abort(asLockstepError(error, 'ERR_RANK_LOST'));
    collective.dispose();
    throw error;
  }
}
