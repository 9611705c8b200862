import { DEFAULT_LIMITS, type Limits } from '../config.js';
import type { EngineName, EngineProfile } from '../engines/index.js';
import type { CapturePlan } from '../keys/index.js';
import { WORKLOAD_DEFAULTS } from '../names.js';
import { LOCKSTEP_POLICY, type Policy } from '../policy/index.js';
import type { SchedulerLimits } from '../workload/index.js';

/** Options of `simulate`, which decide the steps that are taken; those left out take their defaults. A run has them too. */
export interface SimulateOptions {
  /** Data-parallel ranks, which schedule each on its own. Default 2. */
  readonly ranks?: number;
  /** Limits of each rank. `numBlocks: 'auto'` is for a run of a model, which has memory to fill. */
  readonly limits?: Partial<Omit<Limits, 'numBlocks'>> & { readonly numBlocks?: number | 'auto' };
  /** Choices behind the decisions. Those left out are the engine's, or Lockstep's own. */
  readonly policy?: Partial<Policy>;
  /** Graphs to capture; else those of `ladder`. */
  readonly plan?: CapturePlan;
  /** Captured sizes in tokens, or a ladder as `parseLadder` reads it (`1,2,4,8`, or a name). Default none: every step runs eager. */
  readonly ladder?: readonly number[] | string;
  /**
   * An engine as it is run: its limits, its policy and its graphs, where `limits`, `policy`, `ladder` and `plan` say nothing else. Default
   * none.
   */
  readonly engine?: EngineProfile;
  /** Capture sizes from the ubatch threshold on both plain and ubatched. Default: as the policy says. */
  readonly twins?: boolean;
  /** Chance that a draft is accepted when all before it were. Default 0.7. */
  readonly acceptRate?: number;
  /** Seed of the drafts that are accepted. Default 0. */
  readonly seed?: number;
  /** Arrival times are divided by it. Default 1. */
  readonly speed?: number;
  /** [a, b, c] of the simulated step time a + b * tokens + c * kvTokens, in ms. Default [8, 0.096, 0]. */
  readonly stepTime?: readonly [number, number, number];
}

/** Options that follow from the others when left out. */
type Derived = 'plan' | 'engine' | 'twins';

/** The default of every option. */
export const DEFAULT_SIMULATE_OPTIONS: Required<Omit<SimulateOptions, Derived>> & Readonly<Record<Derived, undefined>> =
  Object.freeze({
    ranks: WORKLOAD_DEFAULTS.ranks,
    limits: DEFAULT_LIMITS,
    policy: LOCKSTEP_POLICY,
    plan: undefined,
    engine: undefined,
    ladder: Object.freeze([]),
    twins: undefined,
    acceptRate: WORKLOAD_DEFAULTS.acceptRate,
    seed: WORKLOAD_DEFAULTS.seed,
    speed: WORKLOAD_DEFAULTS.speed,
    stepTime: WORKLOAD_DEFAULTS.stepTime,
  });

/** Options with the defaults of those that were left out. */
export type GivenSimulateOptions = Required<Omit<SimulateOptions, Derived>> & Pick<SimulateOptions, Derived>;

/** Options with every default filled in and every number checked. */
export interface CompleteSimulateOptions {
  /** Data-parallel ranks. */
  readonly ranks: number;
  /** Limits of each rank. */
  readonly limits: Limits;
  /** The policy that decides. */
  readonly policy: Policy;
  /** The graphs to capture. */
  readonly plan: CapturePlan;
  /** The engine in whose rounding the graphs of a ladder were made; null: Lockstep's own, or a plan. */
  readonly ladderEngine: EngineName | null;
  /** What became of sizes of the ladder that are not captured as they were given. */
  readonly ladderNotes: readonly string[];
  /** Limits of the simulated scheduler. */
  readonly scheduler: SchedulerLimits;
}
