import { types } from 'node:util';
import { parentPort, workerData } from 'node:worker_threads';
import { asLockstepError, LockstepError } from '../../errors.js';
import type { Collective } from '../collective.js';
import { serializeFailure } from '../failure/rank-failure.js';
import { type RankMessage, type RankSeat, SEAT, type SentMessage } from './rank-seat.js';
import { joinThreads } from './threads.js';
import { openGroup } from './threads-group.js';

/** A worker's side of `superviseRanks`. */
export interface RankConnection {
  /** This rank, from 0. */
  readonly rank: number;
  /** Ranks of the group. */
  readonly size: number;
  /** The group's collective, joined as this rank. */
  readonly collective: Collective;
  /** What `workerData(rank)` returned. */
  readonly data: unknown;
  /**
   * Whether the supervisor was asked to stop, which ends a park. Ranks see it at different steps: put it into the vote, stop
   * when agreed.
   */
  interrupted(): boolean;
  /**
   * Calls `listener` with each message that the supervisor's `send` has for this rank, those that came before included, and
   * ends the rank's park where it waits in one. It is called between steps and while an asynchronous step waits, when
   * the batch may be frozen: store the message, and schedule after `step()` has returned. A thread that blocks in
   * `stepSync` receives nothing until it returns. A new listener replaces the last one; an error that it throws fails the rank.
   */
  onMessage(listener: (message: unknown) => void): void;
  /** Hands `message` to the supervisor's `onMessage`. It must be structured-cloneable. */
  post(message: unknown): void;
  /** Gives this rank's result and leaves the group. The first of `finish` and `fail` counts. */
  finish(value: unknown): void;
  /** Ends the group with `error`, which every waiting peer learns at once, and reports it. */
  fail(error: unknown): void;
}

/**
 * Connects the worker thread to the supervisor that started it and joins its group; called once, at the top of the entry.
 * Release what the rank holds before `finish` or `fail`: the thread is terminated when it has not ended `graceMs` later.
 * @throws `ERR_USAGE` in a thread that `superviseRanks` did not start; what `joinThreads` throws.
 */
export function connectRank(): RankConnection {
  const seat = (workerData as { readonly [SEAT]?: RankSeat } | null)?.[SEAT];
  const port = parentPort;
  if (seat === undefined || port === null) {
    throw new LockstepError(
      'ERR_USAGE',
      'connectRank works in a worker that superviseRanks started, and nowhere else.',
    );
  }
  const { group, rank, data } = seat;
  const collective = joinThreads(group, rank);
  const memory = openGroup(group);
  const send = (message: RankMessage): void => port.postMessage(message);
  let settled = false;
  let listener: ((message: unknown) => void) | null = null;
  const receive = ({ message }: SentMessage): void => {
    try {
      listener?.(message);
      collective.wake();
    } catch (error) {
      fail(error);
    }
  };
  const settle = (): void => {
    settled = true;
    // A port with a listener keeps its thread alive.
    port.off('message', receive);
  };
  const fail = (error: unknown): void => {
    if (settled) return;
    settle();
    collective.abort(asLockstepError(error, 'ERR_RANK_LOST'));
    collective.dispose();
    send({ kind: 'failed', failure: serializeFailure(error) });
  };
  // An uncaught value that is no error of JavaScript, such as a DOMException, reaches the supervisor empty: the rank says what it was.
  process.on('uncaughtExceptionMonitor', (thrown) => {
    const caught = process.listenerCount('uncaughtException') > 0 || process.hasUncaughtExceptionCaptureCallback();
    if (!caught && !types.isNativeError(thrown)) fail(thrown);
  });
  return {
    rank,
    size: group.size,
    collective,
    data,
    interrupted: () => memory.interrupted,
    onMessage: (given) => {
      if (listener === null && !settled) port.on('message', receive);
      listener = given;
    },
    post: (message) => send({ kind: 'post', message }),
    finish: (value) => {
      if (settled) return;
      // Post first: it throws for what cannot be cloned, and the rank can then still fail with that error.
      send({ kind: 'finished', value });
      settle();
      collective.dispose();
    },
    fail,
  };
}
