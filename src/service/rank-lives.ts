import { LockstepError } from '../errors.js';
import type { EngineStats } from './engine-events.js';
import type { RankLoad } from './least-loaded.js';
import { RankGroup } from './rank-group.js';
import type { ToRank } from './rank-messages.js';
import type { CompleteServiceOptions } from './service-options.js';
import { addEngineStats, NO_ENGINE_STATS, type ServiceStats } from './service-stats.js';
import type { TokenLogprobs } from './token-logprobs.js';

/** What becomes of a service's ranks. */
export interface RankLivesEvents {
  onTokens(tokens: Int32Array, logprobs?: readonly (TokenLogprobs | null)[]): void;
  /** A rank was lost, and with it its group; `last` where no other is started. */
  onLost(error: LockstepError, last: boolean): void;
  /** Another group can serve. */
  onReady(): void;
}

/** The ranks of a service over their restarts. */
export class RankLives {
  readonly #options: CompleteServiceOptions;
  readonly #events: RankLivesEvents;
  /** Counts of the groups before this one. */
  readonly #before: EngineStats[];
  #group: RankGroup;
  #restarts = 0;
  #ready = false;
  #numBlocks = 0;
  #leaves = false;

  constructor(options: CompleteServiceOptions, events: RankLivesEvents) {
    this.#options = options;
    this.#events = events;
    this.#before = Array.from({ length: options.ranks }, () => NO_ENGINE_STATS);
    this.#group = this.#start();
  }

  /** Waits for the first group. Errors: why it cannot serve. */
  async begun(): Promise<void> {
    await this.#group.ready;
    this.#serve();
  }

  /** Whether a group can serve. */
  get ready(): boolean {
    return this.#ready;
  }

  get restarts(): number {
    return this.#restarts;
  }

  /** KV blocks of each rank of the group that serves, or served last. */
  get numBlocks(): number {
    return this.#group.loads[0].ready?.numBlocks ?? this.#numBlocks;
  }

  get loads(): readonly RankLoad[] {
    return this.#group.loads;
  }

  send(rank: number, message: ToRank): void {
    this.#group.send(rank, message);
  }

  stats(): ServiceStats['ranks'] {
    return this.#group.loads.map(({ running, waiting, stats }, rank) => ({
      running,
      waiting,
      engine: addEngineStats(this.#before[rank], stats?.engine ?? NO_ENGINE_STATS),
      steps: stats?.steps ?? null,
    }));
  }

  /** Resolves when all threads, or processes of the job, have ended. */
  async leave(): Promise<void> {
    this.#leaves = true;
    this.#ready = false;
    this.#group.leave();
    await this.#group.done.catch(() => {});
  }

  #start(): RankGroup {
    const { ranks, setup, transport } = this.#options;
    const onTokens = (_rank: number, ...said: Parameters<RankLivesEvents['onTokens']>): void =>
      this.#events.onTokens(...said);
    return new RankGroup(ranks, setup, { onTokens }, transport);
  }

  #serve(): void {
    this.#ready = true;
    this.#numBlocks = this.numBlocks;
    this.#group.done.catch((error: unknown) => this.#lost(error));
  }

  #lost(cause: unknown): void {
    if (this.#leaves) return;
    this.#ready = false;
    for (const [rank, { stats }] of this.#group.loads.entries()) {
      if (stats !== null) this.#before[rank] = addEngineStats(this.#before[rank], stats.engine);
    }
    const last = this.#restarts >= this.#options.restarts;
    this.#events.onLost(lostError(cause), last);
    if (last) return;
    this.#restarts++;
    this.#group = this.#start();
    this.#group.ready.then(
      () => {
        if (this.#leaves) return;
        this.#serve();
        this.#events.onReady();
      },
      (error: unknown) => this.#lost(error),
    );
  }
}

function lostError(cause: unknown): LockstepError {
  if (cause instanceof LockstepError && cause.code === 'ERR_RANK_LOST') return cause;
  const why = cause instanceof Error ? cause.message : String(cause);
  const details = cause instanceof LockstepError ? { causeCode: cause.code, ...cause.details } : {};
  return new LockstepError('ERR_RANK_LOST', `The ranks that served this were lost: ${why}`, details, { cause });
}
