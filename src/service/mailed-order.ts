import { deserialize, serialize } from 'node:v8';
import { LockstepError } from '../errors.js';
import type { Collective, MpiMail } from '../ranks/index.js';
import { Deadline } from '../wait.js';
import type { StepMessages } from './message-order.js';
import type { FromRank, ToRank } from './rank-messages.js';

/** Bytes of messages that one process is sent for one step, about: what is beyond them comes into effect with the next. */
const STEP_BYTES = 1 << 20;
/** Of a message without its tokens, about. */
const MESSAGE_BYTES = 256;

/** What the first process sends another one before it votes in a step. */
interface StepLetter {
  readonly step: number;
  readonly messages: ToRank[];
}

/** What messages of an MPI job are ordered with. */
export interface MailedOrderParts {
  readonly mail: MpiMail;
  readonly collective: Collective;
  /** Processes of each replica. */
  readonly replicaSize: number;
  readonly timeoutMs: number;
  /** Called on the first process with what the others report, by their replica. */
  readonly onReport: (rank: number, message: FromRank) => void;
}

/**
 * Messages for the processes of an MPI job and how many of them are in effect in each step: the first process, which listens, has them all,
 * and sends each other one those of its replica before it votes, with the step's number. The others begin a step with that letter, and
 * so with the same messages on all processes of a replica. Reports go back beside it. Nothing of this is a collective.
 */
export class MailedOrder implements StepMessages<ToRank> {
  readonly #parts: MailedOrderParts;
  /** By replica, on the first process. */
  readonly #inboxes: ToRank[][];
  #taken = 0;

  constructor(parts: MailedOrderParts) {
    this.#parts = parts;
    const { mail, replicaSize } = parts;
    this.#inboxes = Array.from({ length: mail.size / replicaSize }, () => []);
  }

  get taken(): number {
    return this.#taken;
  }

  /** Whether there is a message for a replica, whichever it is. Reports that have come are passed on. */
  get waiting(): boolean {
    this.poll();
    return this.#inboxes.some((inbox) => inbox.length > 0);
  }

  /** On the first process: a message for all processes of a replica. It wakes the group, if it is parked. */
  add(replica: number, message: ToRank): void {
    (this.#inboxes[replica] as ToRank[]).push(message);
    this.#parts.collective.wake();
  }

  /** Reports to the first process, for this process's replica. */
  report(message: FromRank): void {
    const { mail, onReport } = this.#parts;
    if (mail.rank === 0) onReport(0, message);
    else mail.send(0, serialize(message));
  }

  /** Passes on what others have reported. */
  poll(): void {
    const { mail, replicaSize, onReport } = this.#parts;
    if (mail.rank > 0) return;
    for (let letter = mail.receive(0); letter !== null; letter = mail.receive(0)) {
      onReport(Math.floor(letter.from / replicaSize), deserialize(letter.bytes) as FromRank);
    }
  }

  async take(step: number): Promise<ToRank[]> {
    const { mail, replicaSize } = this.#parts;
    if (mail.rank > 0) return this.#follow(step);
    this.poll();
    const now = this.#inboxes.map(takeSome);
    for (const [replica, messages] of now.entries()) {
      const letter = serialize({ step, messages } satisfies StepLetter);
      for (let process = replica * replicaSize; process < (replica + 1) * replicaSize; process++) {
        if (process > 0) mail.send(process, letter);
      }
    }
    const own = now[0] as ToRank[];
    this.#taken += own.length;
    return own;
  }

  #follow(step: number): ToRank[] {
    const { mail, collective, timeoutMs } = this.#parts;
    const deadline = new Deadline().start(timeoutMs);
    for (;;) {
      const ms = deadline.slice();
      const letter = mail.receive(ms);
      if (letter === null) {
        collective.throwIfEnded();
        if (ms === 0) throw lateError(step, timeoutMs);
        continue;
      }
      const { step: of, messages } = deserialize(letter.bytes) as StepLetter;
      if (letter.from !== 0 || of !== step) throw divergedError(step, of, letter.from);
      this.#taken += messages.length;
      return messages;
    }
  }
}

/** Takes messages out of an inbox, in order: some bytes of them, one at least. */
function takeSome(inbox: ToRank[]): ToRank[] {
  let bytes = 0;
  let count = 0;
  while (count < inbox.length && bytes < STEP_BYTES) bytes += bytesOf(inbox[count++] as ToRank);
  return inbox.splice(0, count);
}

function bytesOf(message: ToRank): number {
  if (message.kind !== 'arrive') return MESSAGE_BYTES;
  const { ids, stopTokenIds } = message.request;
  return MESSAGE_BYTES + ids.byteLength + 4 * stopTokenIds.length;
}

function lateError(step: number, timeoutMs: number): LockstepError {
  return new LockstepError(
    'ERR_COLLECTIVE_TIMEOUT',
    `The first process has not begun step ${step} in ${timeoutMs} ms.`,
    { step, timeoutMs },
  );
}

function divergedError(step: number, of: number, from: number): LockstepError {
  return new LockstepError(
    'ERR_RANKS_DIVERGED',
    `Process ${from} sent the messages of step ${of} to one that begins step ${step}; start all with one command`,
    { step, of, from },
  );
}
