import { checkArguments, Faults, withoutUndefined } from '../../checks.js';
import { LockstepError, shown } from '../../errors.js';
import { type RankLimits, RankScheduler, type RankStats } from './rank-scheduler.js';
import { RequestState } from './request-state.js';
import { DEFAULT_SCHEDULER_LIMITS } from './scheduler-limits.js';
import type { RankSchedule } from './step-schedule.js';

/** The limits of one rank's steps, and the granularity of shared prefixes. */
export interface LiveSchedulerLimits extends RankLimits {
  /** Longest prompt and output together, in tokens. Default 131072. */
  readonly maxModelLen: number;
  /** Tokens that one number of a request's `prefix` stands for. Default: `blockSize`. */
  readonly tokensPerKey: number;
}

/** What happened since the step before was scheduled. */
export type SchedulerEvent =
  /** A request arrives, under an id that no live request has: preferably a small integer, since arrays grow to the largest. */
  | {
      readonly kind: 'arrive';
      /** The request's id. */
      readonly request: number;
      /** Tokens of its prompt. */
      readonly promptTokens: number;
      /** Tokens after which it ends by itself. Default: what `maxModelLen` and all KV blocks together leave. */
      readonly maxTokens?: number | undefined;
      /**
       * One safe integer for each `tokensPerKey` tokens of the prompt, the last possibly for fewer: equal where the prompts up to
       * there are equal, and nowhere else. Default: shares nothing.
       */
      readonly prefix?: ArrayLike<number> | undefined;
      /** Most tokens of its decodes. Default: the limits' `queryLen`. */
      readonly queryLen?: number | undefined;
    }
  /** The request's decode of several tokens yields so many: 1 and its accepted drafts. Without it a decode yields 1. */
  | { readonly kind: 'yield'; readonly request: number; readonly tokens: number }
  /**
   * The request's decode of several tokens runs still: how many it yields is said by `read`, among the events of the step after the next, and by
   * no `yield` or `finish` beside this. Without that `read` it yielded 1.
   */
  | { readonly kind: 'unread'; readonly request: number }
  /** The decode that was `unread` yielded so many tokens: 1 and its accepted drafts. */
  | { readonly kind: 'read'; readonly request: number; readonly tokens: number }
  /** The token that the step sampled for the request is its last: a stop token. */
  | { readonly kind: 'finish'; readonly request: number }
  /** The request ends now, whatever it waits for. The token that the step sampled for it counts. */
  | { readonly kind: 'cancel'; readonly request: number };

/**
 * The scheduler of one rank for a live engine: requests arrive one at a time, and the number of tokens they generate is known when they end.
 * A step depends only on the steps and events before it. `SchedulerModel` takes the same steps for
 * workloads that are known beforehand, and skips ahead.
 */
export class LiveScheduler {
  /** The limits in force, with their defaults. */
  readonly limits: LiveSchedulerLimits;
  /** Counts of the requests so far. */
  readonly stats: RankStats = {
    finished: 0,
    preemptions: 0,
    promptTokens: 0,
    generatedTokens: 0,
    reusedTokens: 0,
  };
  readonly #state: RequestState;
  readonly #rank: RankScheduler;
  readonly #live = new Set<number>();
  /** Of requests whose decode is not read yet, how many tokens it has. */
  readonly #unread = new Map<number, number>();
  #open = false;

  /** Throws `ERR_CONFIG_INVALID` with every fault at once. */
  constructor(given: Partial<LiveSchedulerLimits> = {}) {
    this.limits = liveLimits(given);
    this.#state = RequestState.empty(this.limits.blockSize, this.limits.tokensPerKey);
    this.#rank = new RankScheduler(this.limits, this.#state, this.stats, { edits: true, blockIds: true });
  }

  /** Requests that run, in order of admission. */
  get running(): readonly number[] {
    return [...this.#rank.running];
  }

  /** Requests that wait, the next to be admitted first. */
  get waiting(): readonly number[] {
    return [...this.#rank.waiting];
  }

  /** KV blocks that can be given to requests, those included that only the prefix cache holds. */
  get freeBlocks(): number {
    return this.#rank.freeBlocks;
  }

  /** The KV blocks of a request, in order of position; none of one that does not run. */
  blocksOf(request: number): readonly number[] {
    return this.#live.has(request) ? this.#rank.blocksOf(request) : [];
  }

  /**
   * The next step. The step before has run: `yield` and `finish` give its outcome; other chunks ran as
   * scheduled. Then requests arrive and are cancelled, in the order of `events`. Requests that ended, by an event or with
   * `maxTokens`, are among the schedule's `removed`, and their ids are free; but a request that was only waiting has no row to remove.
   * The schedule is reused by the next step. Throws `ERR_INPUT_INVALID`, and does nothing, for an invalid event.
   */
  step(events: readonly SchedulerEvent[] = []): RankSchedule {
    this.#check(events);
    const rank = this.#rank;
    for (const event of events) {
      if (event.kind !== 'read') continue;
      this.#unread.delete(event.request);
      if (rank.read(event.request, event.tokens - 1)) this.#live.delete(event.request);
    }
    for (const request of this.#unread.keys()) rank.read(request, 0);
    this.#unread.clear();
    for (const event of events) {
      if (event.kind !== 'unread') continue;
      this.#unread.set(event.request, rank.queryLenOf(event.request));
      rank.readLater(event.request);
    }
    for (const event of events) {
      if (event.kind === 'yield') rank.setYield(event.request, event.tokens);
    }
    for (const event of events) {
      if (event.kind === 'finish') rank.stop(event.request);
    }
    if (this.#open) rank.complete();
    for (const request of rank.ended) {
      this.#live.delete(request);
      this.#unread.delete(request);
    }
    for (const event of events) {
      if (event.kind === 'arrive') this.#arrive(event);
      else if (event.kind === 'cancel') {
        this.#unread.delete(event.request);
        if (this.#live.delete(event.request)) rank.cancel(event.request);
      }
    }
    this.#open = true;
    return rank.schedule();
  }

  #arrive({ request, promptTokens, maxTokens, prefix, queryLen }: SchedulerEvent & { kind: 'arrive' }): void {
    this.#state.set(request, {
      promptTokens,
      maxTokens: maxTokens ?? mostTokens(this.limits) - promptTokens,
      // The caller may use its array again.
      prefix: prefix === undefined ? null : Float64Array.from(prefix),
      ...(queryLen === undefined ? {} : { queryLen: Math.min(queryLen, MAX_INTEGER) }),
    });
    this.#live.add(request);
    this.#rank.arrive(request);
  }

  /** Refuses the events of a step as a whole. */
  #check(events: readonly SchedulerEvent[]): void {
    if (!Array.isArray(events)) {
      throw new LockstepError('ERR_INPUT_INVALID', `The events are ${shown(events)}; they must be an array of events`);
    }
    const arrived = new Set<number>();
    const outcomes = new Map<number, number>();
    for (const event of events as readonly SchedulerEvent[]) {
      if (typeof event !== 'object' || event === null) {
        throw new LockstepError(
          'ERR_INPUT_INVALID',
          `${shown(event)} is not an event: give objects whose kind is arrive, yield, unread, read, finish or cancel`,
        );
      }
      const { request } = event;
      const known = this.#live.has(request) || arrived.has(request);
      if (event.kind === 'arrive') {
        this.#checkArrival(event, known);
        arrived.add(request);
      } else if (event.kind === 'yield') {
        noteOutcome(outcomes, event, OUTCOME.said, OUTCOME.unread);
        refuseUnless(
          this.#open && this.#rank.canYield(request, event.tokens),
          event,
          'is not an outcome of a decode of the open step',
        );
      } else if (event.kind === 'unread') {
        noteOutcome(outcomes, event, OUTCOME.unread, OUTCOME.unread | OUTCOME.said);
        const isOpen = this.#open && this.#rank.canYield(request, 2);
        refuseUnless(isOpen, event, 'is for a request of which the open step has no decode of several tokens');
      } else if (event.kind === 'read') {
        noteOutcome(outcomes, event, OUTCOME.read, OUTCOME.read);
        const most = this.#unread.get(request) ?? 0;
        const isCount = Number.isInteger(event.tokens) && event.tokens >= 1 && event.tokens <= most;
        refuseUnless(isCount, event, 'is not an outcome of a decode that was not read yet');
      } else if (event.kind === 'finish') {
        noteOutcome(outcomes, event, OUTCOME.said, OUTCOME.unread);
        refuseUnless(
          this.#open && this.#rank.samples(request),
          event,
          'is for a request for which the open step samples no token',
        );
      } else if (event.kind === 'cancel') {
        refuseUnless(known, event, 'is for an unknown request');
      } else {
        refuseUnless(false, event, 'is not an event: give arrive, yield, unread, read, finish or cancel');
      }
    }
  }

  #checkArrival(event: SchedulerEvent & { kind: 'arrive' }, known: boolean): void {
    const { limits } = this;
    const most = mostTokens(limits);
    const { request, promptTokens, prefix, queryLen = 1 } = event;
    const { maxTokens = Math.max(0, most - promptTokens) } = event;
    refuseUnless(
      Number.isInteger(request) && request >= 0 && request < MAX_REQUESTS,
      event,
      `needs an id from 0 to ${MAX_REQUESTS - 1}`,
    );
    refuseUnless(Number.isInteger(queryLen) && queryLen >= 1, event, 'needs a queryLen of at least 1');
    refuseUnless(!known, event, 'is for a request that exists already');
    refuseUnless(Number.isInteger(promptTokens) && promptTokens >= 1, event, 'needs a prompt of at least 1 token');
    refuseUnless(Number.isInteger(maxTokens) && maxTokens >= 0, event, 'needs a maxTokens of at least 0');
    refuseUnless(
      promptTokens + maxTokens <= most,
      event,
      `has ${promptTokens} + ${maxTokens} tokens, more than maxModelLen ${limits.maxModelLen} or ${limits.numBlocks - 1} blocks hold; lower maxTokens`,
    );
    if (prefix === undefined) return;
    const numbers = Math.ceil(promptTokens / limits.tokensPerKey);
    refuseUnless(prefix !== null, event, 'has null for a prefix; leave it out');
    refuseUnless(prefix.length === numbers, event, `has a prefix of ${prefix.length} numbers; it must have ${numbers}`);
    for (let i = 0; i < numbers; i++)
      refuseUnless(Number.isSafeInteger(prefix[i]), event, 'has a prefix that is not of safe integers');
  }
}

/** What the events of a step say of one decode: how it ended (`yield`, `finish`), that this is not known yet, and how the one before it ended. */
const OUTCOME = Object.freeze({ said: 1, unread: 2, read: 4 });

/** Notes an event of a decode. Refuses one whose request has an event of kinds `against` already. */
function noteOutcome(outcomes: Map<number, number>, event: SchedulerEvent, kind: number, against: number): void {
  const noted = outcomes.get(event.request) ?? 0;
  refuseUnless((noted & against) === 0, event, 'contradicts an event before it: a decode has one outcome');
  outcomes.set(event.request, noted | kind);
}

const MAX_REQUESTS = 1 << 24;
const MAX_INTEGER = 2 ** 31 - 1;

/** Prompt and output together that a request can ever have. */
function mostTokens({ maxModelLen, numBlocks, blockSize }: LiveSchedulerLimits): number {
  return Math.min(maxModelLen, (numBlocks - 1) * blockSize);
}

function refuseUnless(right: boolean, { kind, request }: SchedulerEvent, fault: string): void {
  if (right) return;
  throw new LockstepError('ERR_INPUT_INVALID', `The event ${kind} of request ${request} ${fault}`, { kind, request });
}

function liveLimits(given: Partial<LiveSchedulerLimits>): LiveSchedulerLimits {
  checkArguments('LiveScheduler', { limits: [given, 'object'] });
  const { maxNumSeqs, maxNumBatchedTokens, blockSize, numBlocks, maxModelLen, queryLen } = DEFAULT_SCHEDULER_LIMITS;
  const defaults = { maxNumSeqs, maxNumBatchedTokens, blockSize, numBlocks, maxModelLen, queryLen };
  const limits = { tokensPerKey: given.blockSize ?? blockSize, ...defaults, ...withoutUndefined(given) };
  const faults = new Faults();
  faults.names('scheduler limits', given, [...Object.keys(defaults), 'tokensPerKey']);
  for (const name of [
    'maxNumSeqs',
    'maxNumBatchedTokens',
    'blockSize',
    'maxModelLen',
    'queryLen',
    'tokensPerKey',
  ] as const) {
    faults.integer(name, limits[name], 1, MAX_INTEGER);
  }
  faults.integer('numBlocks', limits.numBlocks, 2, MAX_INTEGER);
  faults.throwIfAny('These scheduler limits');
  return Object.freeze(limits);
}
