import type { DecisionCounts, PaddingRatios } from '../counts/index.js';
import type { GraphKinds } from '../engines/index.js';

/** What a simulation and a run of the same options count alike, and how long they took. Tokens are summed over the ranks, once a replica. */
export interface StepSummary extends DecisionCounts, PaddingRatios {
  /** Data-parallel ranks. */
  readonly ranks: number;
  /** Requests of the workload. */
  readonly requests: number;
  /** Requests whose tokens were all generated. */
  readonly finished: number;
  /** Requests that exceed the limits and were not served. */
  readonly rejected: number;
  /** How many times a request gave its blocks back and was prefilled again. */
  readonly preemptions: number;
  /** Real tokens computed on all ranks, recomputed ones included. */
  readonly tokens: number;
  /** Tokens computed in prefills, recomputed ones included. */
  readonly promptTokens: number;
  /** Tokens sampled. */
  readonly generatedTokens: number;
  /** Prompt tokens whose blocks were there when a request was admitted; each admission counts. */
  readonly reusedTokens: number;
  /** Graph steps: (padded - real) / real tokens over (step, rank) pairs, as `paddingRatioAll`. */
  readonly paddingRatio: number;
  /** Graphs of the plan; of an engine's ladder those that decodes alone run on, as `plan` counts them. */
  readonly graphs: number;
  /** All graphs of the plan by the steps that they hold. */
  readonly graphKinds: GraphKinds;
  /** What became of sizes of the ladder that are not captured as they were given. */
  readonly ladderNotes: readonly string[];
  /** Name of the policy. */
  readonly policy: string;
  /** Tokens of a decode, 1 + drafts. */
  readonly queryLen: number;
  /** Chance that a draft is accepted when all before it were. */
  readonly acceptRate: number;
  /** Seed of workload, accepted drafts and samples. */
  readonly seed: number;
  /** Seconds of serving that the steps stand for, on the simulated clock. */
  readonly simulatedSeconds: number;
  /** Seconds that it took. */
  readonly seconds: number;
  /** Whether it stopped before the workload's end. */
  readonly interrupted: boolean;
}

/** The counts that a run with the same options would have, and those of the simulation itself. */
export interface SimulateSummary extends StepSummary {
  /** Graph steps: by how much the captured sizes cost more than the largest rank's real sizes. */
  readonly timeRatio: number;
  /** Steps simulated for each second of this process's time. */
  readonly stepsPerSecond: number;
}
