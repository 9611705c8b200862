import { LockstepError } from '../../../dist/errors.js';
import { MessageGroup } from '../../../dist/ranks/mpi/message-group.js';
import type { Link } from '../../../dist/ranks/mpi/message-link.js';
import type { Simulation, Sleeping } from './scheduler.js';

interface Message {
  readonly from: number;
  readonly at: number;
  readonly words: Int32Array;
}

/** What becomes of a message. `words` may be changed: they are the receiver's own. */
export type Tamper = (from: number, to: number, words: Int32Array) => 'send' | 'lose' | 'twice';

/** The parts of a build that a network is made of. */
interface Protocol {
  readonly MessageGroup: typeof MessageGroup;
  readonly LockstepError: typeof LockstepError;
}

/** Ranks that send each other messages, each of which takes a time of its own. What one rank sends to another keeps its order. */
export class Network {
  /** Called for each message. */
  tamper: Tamper | null = null;
  readonly #simulation: Simulation;
  readonly #size: number;
  readonly #rowWords: number;
  readonly #delayMs: number;
  /** Messages to each rank, in the order in which they come. */
  readonly #inboxes: Message[][];
  readonly #waiting: (Sleeping | null)[];
  readonly #dead = new Set<number>();
  readonly #protocol: Protocol;

  /** A message takes up to `delayMs` milliseconds. */
  constructor(
    simulation: Simulation,
    size: number,
    rowWords: number,
    delayMs: number,
    protocol: Protocol = { MessageGroup, LockstepError },
  ) {
    this.#protocol = protocol;
    this.#simulation = simulation;
    this.#size = size;
    this.#rowWords = rowWords;
    this.#delayMs = delayMs;
    this.#inboxes = Array.from({ length: size }, () => []);
    this.#waiting = Array.from({ length: size }, () => null);
  }

  /** Joins as `rank`, which is also the number of its task. */
  join(rank: number): MessageGroup {
    return new this.#protocol.MessageGroup({
      rank,
      size: this.#size,
      rowWords: this.#rowWords,
      link: this.#link(rank),
      timing: this.#simulation.timing,
      isInterrupted: () => false,
      leaving: new Set(),
    });
  }

  /** Ends a rank's process: it takes no further step, and says nothing more. What it sent arrives. */
  kill(rank: number): void {
    this.#dead.add(rank);
    this.#simulation.kill(rank);
  }

  #link(rank: number): Link {
    const simulation = this.#simulation;
    const inbox = this.#inboxes[rank];
    return {
      sendToAll: (words, count) => {
        for (let to = 0; to < this.#size; to++) if (to !== rank) this.#send(rank, to, words.slice(0, count));
      },
      receive: (take, ms) => {
        if (ms > 0) throw new Error('a simulated rank blocks the only thread there is');
        if (inbox.length === 0 || inbox[0].at > simulation.time) return false;
        const { from, words } = inbox.shift() as Message;
        take(from, words);
        return true;
      },
      arrival: async (ms) => {
        const until = Math.min(simulation.time + ms, inbox[0]?.at ?? Number.POSITIVE_INFINITY);
        await simulation.sleepOn(null, until, (sleeping) => {
          this.#waiting[rank] = sleeping;
        });
        this.#waiting[rank] = null;
      },
      poke: () => {
        const sleeping = this.#waiting[rank];
        if (sleeping !== null) sleeping.wake = true;
      },
      lostPeer: (skip) => {
        const dead = [...this.#dead].find((peer) => !skip(peer));
        if (dead === undefined) return null;
        return {
          rank: dead,
          reason: new this.#protocol.LockstepError('ERR_RANK_LOST', 'its process has ended.', { rank: dead }),
        };
      },
    };
  }

  #send(from: number, to: number, words: Int32Array): void {
    const fate = this.tamper?.(from, to, words) ?? 'send';
    if (fate === 'lose') return;
    this.#post(from, to, words);
    if (fate === 'twice') this.#post(from, to, words);
  }

  #post(from: number, to: number, words: Int32Array): void {
    const inbox = this.#inboxes[to];
    const { time, random } = this.#simulation;
    const before = inbox.findLast((message) => message.from === from)?.at ?? 0;
    const at = Math.max(before, time + random.uniform() * this.#delayMs);
    const place = inbox.findIndex((message) => message.at > at);
    inbox.splice(place < 0 ? inbox.length : place, 0, { from, at, words });
    const sleeping = this.#waiting[to];
    if (sleeping !== null) sleeping.until = Math.min(sleeping.until, at);
  }
}
