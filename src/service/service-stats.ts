import type { LockstepError } from '../errors.js';
import type { StepStats } from '../runtime/index.js';
import type { EngineStats } from './engine-events.js';

/** Whether a service takes requests: `restarting` ones wait, `draining`, `failed` and `closed` services refuse them. */
export type ServiceState = 'ready' | 'restarting' | 'draining' | 'failed' | 'closed';

/** What a service is doing, and what it has done. */
export interface ServiceStats {
  /** Whether requests are taken. */
  readonly state: ServiceState;
  /** Long texts whose tokens `encodeAsync` waits for. */
  readonly encoding: number;
  /** Choices that wait for a place on a rank. */
  readonly queued: number;
  /** Choices that wait on ranks. */
  readonly waiting: number;
  /** Choices that have a place on a rank. */
  readonly running: number;
  /** Choices without a place until their reader reads on. */
  readonly suspended: number;
  /** How many choices ended: `stop` at a stop token or stop string, `length` at their most tokens, `abort` cancelled, `error` with an error. */
  readonly ended: Readonly<Record<RequestOutcome, number>>;
  /** Tokens of prompts that got a first token. */
  readonly promptTokens: number;
  /** Tokens given to readers. */
  readonly generatedTokens: number;
  /** How many times lost ranks were started again. */
  readonly restarts: number;
  /** What ranks said last: their requests and their steps. Counts of the engine go on over restarts. */
  readonly ranks: readonly {
    /** Choices that run there. */
    readonly running: number;
    /** Choices that wait there. */
    readonly waiting: number;
    /** Counts of its requests, tokens and KV blocks. */
    readonly engine: EngineStats;
    /** Its steps since it was started last, by how they ran; null until it has said. */
    readonly steps: StepStats | null;
  }[];
}

/** How a choice ended. */
export type RequestOutcome = 'stop' | 'length' | 'abort' | 'error';

/** What happened to a choice or to the service, for those who watch it. */
export type ServiceEvent =
  /** The service takes requests, or no longer does. */
  | {
      readonly kind: 'state';
      /** What it is from now on. */
      readonly state: ServiceState;
      /** Why ranks were lost, where it restarts or has failed; else null. */
      readonly error: LockstepError | null;
    }
  /** A choice has its first token. */
  | {
      readonly kind: 'first-token';
      /** Since its request was accepted. */
      readonly seconds: number;
    }
  /** A choice has ended. */
  | {
      readonly kind: 'end';
      /** How. */
      readonly outcome: RequestOutcome;
      /** Since its request was accepted. */
      readonly seconds: number;
      /** Tokens of its prompt. */
      readonly promptTokens: number;
      /** Tokens given to its reader. */
      readonly generatedTokens: number;
    };

export const NO_ENGINE_STATS: EngineStats = Object.freeze({
  finished: 0,
  cancelled: 0,
  preemptions: 0,
  promptTokens: 0,
  generatedTokens: 0,
  reusedTokens: 0,
  draftTokens: 0,
  acceptedTokens: 0,
  usedBlocks: 0,
  blocks: 0,
});

/** The counts of two lives of a rank; what it holds is the later one's. */
export function addEngineStats(before: EngineStats, now: EngineStats): EngineStats {
  const { usedBlocks, blocks } = now;
  const sum = Object.fromEntries(
    Object.entries(before).map(([name, value]) => [name, value + now[name as keyof EngineStats]]),
  ) as unknown as EngineStats;
  return { ...sum, usedBlocks, blocks };
}
