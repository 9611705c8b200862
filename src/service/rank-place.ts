import { createHash } from 'node:crypto';
import { serialize } from 'node:v8';
import { asLockstepError, LockstepError } from '../errors.js';
import { allGatherBytesSync, type Collective, joinMpi, MpiMail, type RankConnection } from '../ranks/index.js';
import { MailedOrder } from './mailed-order.js';
import { MessageOrder, type StepMessages } from './message-order.js';
import { modelFiles } from './model-files.js';
import type { FromProcess, FromRank, ToProcess, ToRank } from './rank-messages.js';
import type { RankSetup } from './rank-setup.js';

/** Where a process of a service stands: its group, the messages of its steps, and who hears its reports. */
export interface RankPlace extends Disposable {
  readonly collective: Collective;
  readonly order: StepMessages<ToRank>;
  interrupted(): boolean;
  /** Called by the first process of each replica. */
  report(message: FromRank): void;
}

/** The place of a thread among those of this process, or of this process among those of an MPI job. Errors: those of `joinMpi`; `ERR_RANKS_DIVERGED`. */
export function takePlace(seat: RankConnection, setup: RankSetup): RankPlace {
  return setup.order === null ? jobPlace(seat, setup) : threadPlace(seat, setup, setup.order);
}

function threadPlace(
  seat: RankConnection,
  { tensorParallelSize, timeoutMs }: RankSetup,
  memory: SharedArrayBuffer,
): RankPlace {
  const order = new MessageOrder<ToRank>(memory, seat.rank % tensorParallelSize === 0, timeoutMs);
  seat.onMessage((message) => order.add(message as ToRank));
  return {
    collective: seat.collective,
    order,
    interrupted: () => seat.interrupted(),
    report: (message) => seat.post(message),
    [Symbol.dispose]: () => {},
  };
}

function jobPlace(seat: RankConnection, setup: RankSetup): RankPlace {
  const { tensorParallelSize: replicaSize, timeoutMs } = setup;
  const collective = joinMpi({ isInterrupted: () => seat.interrupted() });
  try {
    const mail = new MpiMail();
    checkAlike(collective, setup);
    const post = (from: number, message: FromRank): void => seat.post({ from, message } satisfies FromProcess);
    const order = new MailedOrder({ mail, collective, replicaSize, timeoutMs, onReport: post });
    seat.onMessage((given) => {
      const { to, message } = given as ToProcess;
      order.add(to, message);
    });
    return {
      collective,
      order,
      interrupted: () => collective.interrupted,
      report: (message) => order.report(message),
      [Symbol.dispose]: () => {
        mail.dispose();
        collective.dispose();
      },
    };
  } catch (error) {
    abandon(collective, error);
    throw error;
  }
}

/** Ends the group of a job for its other processes, for which nothing else in this one does. */
export function abandon(collective: Collective, error: unknown): void {
  collective.abort(asLockstepError(error, 'ERR_RANK_LOST'));
  collective.dispose();
}

/** What the processes of a service have in common, by what the error calls it. */
const COMMON = ['options', 'model files'] as const;

/** Each process has read a command line and files of its own. Errors: `ERR_RANKS_DIVERGED` on all. */
function checkAlike(collective: Collective, setup: RankSetup): void {
  const own = Buffer.concat([serialize(setup), modelFiles(setup.model)].map(digestOf));
  const all = allGatherBytesSync(collective, own, { timeoutMs: setup.timeoutMs });
  const part = (rank: number, at: number): Uint8Array => (all[rank] as Uint8Array).subarray(32 * at, 32 * (at + 1));
  const differences = [...all.keys()]
    .map((rank) => ({
      rank,
      what: COMMON.filter((_name, at) => Buffer.compare(part(rank, at), part(0, at)) !== 0),
    }))
    .filter(({ what }) => what.length > 0);
  if (differences.length === 0) return;
  const named = differences.map(({ rank, what }) => `process ${rank} has other ${what.join(' and ')}`);
  throw new LockstepError(
    'ERR_RANKS_DIVERGED',
    `The processes do not serve the same: ${named.join(', ')} than process 0. Start all with one command, and give them the same files.`,
    { ranks: differences.map(({ rank }) => rank), differences },
  );
}

function digestOf(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
