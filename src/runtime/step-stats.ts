import type { DecisionView, ReasonCode, RunKind } from '../agreement/index.js';
import type { ForwardBatch } from '../batch/index.js';
import { ENUMS } from '../layout/index.js';

/** What a rank has done since it was made, by value: plain data, that crosses to other threads. */
export interface StepStats {
  /** The rank that counts. */
  readonly rank: number;
  /** Ranks of its group. */
  readonly ranks: number;
  /** Steps that were launched: parks are none. */
  readonly steps: number;
  /** Launched steps by how they ran. */
  readonly runs: Readonly<Record<Exclude<RunKind, 'park'>, number>>;
  /** Every decision by its reason, parked ones too; reasons that never came up are left out. */
  readonly reasons: Readonly<Partial<Record<ReasonCode, number>>>;
  /** Launched steps that were cut into micro-batches. */
  readonly ubatchedSteps: number;
  /** Real tokens of this rank. */
  readonly tokens: number;
  /** Tokens that this rank computed, padding included. */
  readonly paddedTokens: number;
  /** How many times the ranks agreed to park. */
  readonly parks: number;
  /** Whether it is parked now. */
  readonly parked: boolean;
  /** Steps and captures that ended with an error. */
  readonly faults: number;
  /** Keys that it holds captured. */
  readonly graphs: number;
  /** Bytes of the device that its graphs take. */
  readonly graphBytes: number;
}

const RUNS = Object.keys(ENUMS.RUN) as RunKind[];
const REASONS = Object.keys(ENUMS.REASON) as ReasonCode[];

/** Counts of one rank: a few additions a step, and nothing allocated. */
export class StepCounts {
  faults = 0;
  readonly #runs = new Map<RunKind, number>(RUNS.map((run) => [run, 0]));
  readonly #reasons = new Map<ReasonCode, number>(REASONS.map((reason) => [reason, 0]));
  #tokens = 0;
  #paddedTokens = 0;
  #ubatched = 0;

  count(decision: DecisionView, local: ForwardBatch): void {
    const { run, reason } = decision;
    this.#runs.set(run, (this.#runs.get(run) ?? 0) + 1);
    this.#reasons.set(reason, (this.#reasons.get(reason) ?? 0) + 1);
    if (run === 'park') return;
    this.#tokens += local.tokens;
    this.#paddedTokens += local.paddedTokens;
    if (decision.partCount > 1) this.#ubatched++;
  }

  snapshot(about: Pick<StepStats, 'rank' | 'ranks' | 'parked' | 'graphs' | 'graphBytes'>): StepStats {
    const { park = 0, eager = 0, piecewise = 0, full = 0 } = Object.fromEntries(this.#runs);
    return {
      ...about,
      steps: eager + piecewise + full,
      runs: { eager, piecewise, full },
      reasons: Object.fromEntries([...this.#reasons].filter(([, times]) => times > 0)),
      ubatchedSteps: this.#ubatched,
      tokens: this.#tokens,
      paddedTokens: this.#paddedTokens,
      parks: park,
      faults: this.faults,
    };
  }
}
