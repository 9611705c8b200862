import type { EngineName, GraphKinds, GraphModeName } from '../engines/index.js';
import type { HistogramDocument } from '../workload/index.js';
import type { PlanBudget } from './budget.js';
import type { LadderAudit } from './ladder/ladder-audit.js';
import type { LogRun } from './log-run.js';
import type { MixedAudit } from './mixed/mixed-audit.js';
import type { MixedShape } from './mixed/mixed-grid.js';
import type { StepSource } from './read-steps.js';
import type { Objective } from './robust.js';
import type { UncapturedMaximum } from './uncaptured-maxima.js';

/** The score of graphs on the steps counted. Eager steps are in neither ratio. */
export interface PlanScore {
  /** Graphs that are captured, of the kinds that are planned for. */
  readonly graphs: number;
  /** Padding over real tokens, a step's size being the largest rank's. */
  readonly paddingRatio: number;
  /** The same by the cost model in use; without one it is `paddingRatio`. */
  readonly timeRatio: number;
  /** Steps that no graph holds, of the kinds that are planned for. */
  readonly eagerSteps: number;
}

/** The same, with the memory and time of capturing. */
export interface CapturedScore extends PlanScore {
  /** Device memory that the graphs take, in bytes, by `captureCost`. */
  readonly graphBytes: number;
  /** Time to capture them, in seconds, by `captureCost`. */
  readonly captureSeconds: number;
}

/** The graphs that an engine captures by default, scored on the same steps. */
export interface EngineScore extends CapturedScore {
  /** The engine. */
  readonly engine: EngineName;
  /** Version of the engine's rules that were taken. */
  readonly version: string;
  /** The mode that the engine ends up with. */
  readonly mode: GraphModeName;
  /** Sizes that its decodes run on, in tokens, ascending. */
  readonly sizes: readonly number[];
  /** All that it captures, by the steps that the graphs hold; `graphs` are those of the kinds that are planned for. */
  readonly graphKinds: GraphKinds;
  /** Caveats of the comparison. */
  readonly notes: readonly string[];
}

/** The plan for an objective, in short. */
export interface PlanAlternative extends CapturedScore {
  /** What this plan is best for. */
  readonly objective: Objective;
  /** Its sizes. */
  readonly ladders: PlanDocument['ladders'];
  /** Its score on the unseen part. */
  readonly unseen: PlanScore | null;
}

/** How the steps of an engine's log or of a step log ran, by its own lines: those that could be decodes. */
export interface AsRanScore extends PlanScore {
  /** Steps that could be decodes. */
  readonly steps: number;
  /** What the log says that capturing took; null where it does not, as in a step log. */
  readonly graphBytes: number | null;
  /** Seconds that capturing took by the log; null where it does not say. */
  readonly captureSeconds: number | null;
}

/** What an engine's log tells beside its steps. */
export interface PlanLog extends Omit<LogRun, 'ran' | 'graphs' | 'times'> {
  /** Whether times were taken from it. */
  readonly timed: boolean;
}

/** Our fewest decode graphs that are at most as bad as an engine's default; null where none was found. */
export interface EqualGraphs {
  /** The engine. */
  readonly engine: EngineName;
  /** Our fewest decode graphs that are as good; null where there are none. */
  readonly graphs: number | null;
}

/** The score of a plan made from the first part by time on the decodes of the rest. */
export interface UnseenScore extends PlanScore {
  /** Share of the time that was seen. */
  readonly split: number;
  /** Decode sizes planned on the first part, in tokens, ascending. */
  readonly ladder: readonly number[];
  /** Share of decodes that would have to be of another size (in powers of two) for both parts to be alike: 0 to 1. */
  readonly shift: number;
  /** Share of the decodes that are larger than any that was seen, for which no ladder could be learnt: 0 to 1. */
  readonly aboveSeen: number;
  /** Whether `shift` is more than 0.2 or `aboveSeen` more than 0.01: what was seen says little about what came after. */
  readonly shifted: boolean;
  /** Engines' defaults on the same decodes. */
  readonly engines: readonly (PlanScore & {
    /** The engine. */
    readonly engine: EngineName;
  })[];
}

/** The plain graph beside a micro-batched one, which runs where some rank does not agree to micro-batches. */
export interface PlanTwin {
  /** Tokens of both. */
  readonly size: number;
  /** Steps counted that run on the plain one. */
  readonly steps: number;
  /** Steps counted that run in micro-batches. */
  readonly ubatchedSteps: number;
  /** Bytes of device memory that the plain graph adds. */
  readonly bytes: number;
  /** Seconds that capturing the plain graph adds. */
  readonly seconds: number;
}

/** What the graphs for steps with a prefill cost, by the costs that were optimised for; eager steps count as the largest graph. */
export interface MixedGridScore {
  /** Graphs of the grid. */
  readonly graphs: number;
  /** Cost of the steps at their exact tokens, in the unit of `costModel`. */
  readonly exactCost: number;
  /** What padding adds to `exactCost`. */
  readonly padding: number;
  /** Lower bound of the padding with as many graphs of any shapes. */
  readonly lowerBound: number;
  /** This cost over the lower bound, less 1. */
  readonly gap: number;
}

/** The faults and worst cases of a plan: its decode ladder, and its graphs for steps with a prefill where it has any. */
export interface PlanAudit extends LadderAudit {
  /**
   * Where ranks can agree to micro-batches in decodes of fewer tokens than are captured so. Null where the gates are the same.
   */
  readonly looseGate: {
    /** The least tokens for which ranks can agree to micro-batches. */
    readonly agreedFrom: number;
    /** The least tokens for which graphs in micro-batches are captured. */
    readonly capturedFrom: number;
    /** The plan's sizes between, which run plain however the ranks agree. */
    readonly sizes: readonly number[];
  } | null;
  /** The same of graphs for steps with a prefill; null without `--mixed`. */
  readonly mixed: MixedAudit | null;
  /** Maxima that engines' default lists do not reach at these limits. */
  readonly uncapturedMaxima: readonly UncapturedMaximum[];
}

/** The ladder in one engine's own settings. */
export interface EmittedLadder {
  /** The engine. */
  readonly engine: EngineName;
  /** Its flags or configuration, to copy. */
  readonly flags: string;
  /** Whether the engine captures exactly the ladder's sizes. */
  readonly exact: boolean;
  /** What to know before using them; null for nothing. */
  readonly note: string | null;
  /** The score of the sizes it captures, on the same decodes. */
  readonly paddingRatio: number;
  /** Time lost on those sizes, by the costs in use. */
  readonly timeRatio: number;
  /** Decodes that none of those sizes holds. */
  readonly eagerSteps: number;
}

/** What `lockstep plan --json` prints. */
export interface PlanDocument extends CapturedScore {
  /** Version of the document: keys may be added under the same number. */
  readonly schemaVersion: 1;
  /** What the plan is best for; every key but `seen` and `robust` describes that plan. */
  readonly objective: Objective;
  /** The plan that is best for the steps seen alone, and the one that is ready for others too: one of them is this plan. */
  readonly seen: PlanAlternative;
  /** The plan that is best for the steps to expect. */
  readonly robust: PlanAlternative;
  /** The most graphs that a robust plan was to have; null where it was not bounded. */
  readonly mostGraphs: number | null;
  /** The largest size of a decode graph that was asked for, below the largest decode; null for none. */
  readonly maxSize: number | null;
  /** Padding over the real tokens of the largest rank of each step: what `paddingRatio` is throughout a plan. */
  readonly paddingRatioLargest: number;
  /** Padding over the real tokens of all ranks, each padded to the size of the step: what `paddingRatio` of a run is. */
  readonly paddingRatioAll: number;
  /** Whether `timeRatio` is of times that were measured or modelled; else a size costs its tokens, and no time is known. */
  readonly costKnown: boolean;
  /** Where the steps come from: a trace (or generated requests), a step log, an engine's log. */
  readonly source: StepSource;
  /** What the sizes of `ladders.decode` count: tokens of decodes, or of any steps where all graphs are piecewise. */
  readonly ladderOf: 'decodes' | 'tokens';
  /** Steps counted. */
  readonly steps: number;
  /** Steps with a prefill that no graphs were planned for; no other field counts them. */
  readonly unplannedSteps: number;
  /** Those of `unplannedSteps` of which the source does not say whether they hold a prefill: they are taken to. */
  readonly unplannedUnknownSteps: number;
  /** Tokens of the largest decode that the limits allow; always captured, unless `maxSize` is below it. */
  readonly largestDecode: number;
  /** What bounded the plan. */
  readonly budget: PlanBudget;
  /** Costs in use. */
  readonly costModel: {
    /** Name of the model, the table or the log that they are of. */
    readonly name: string;
    /** What they count. */
    readonly unit: 'tokens' | 'ms';
    /** Sizes whose measured time was below a smaller one's and was raised to it. */
    readonly raised: number;
  };
  /** Figures by which capturing is counted. */
  readonly captureCost: {
    /** Their name. */
    readonly name: string;
    /** Who published them. */
    readonly source: string;
  };
  /** The sizes to capture, ascending. */
  readonly ladders: {
    /** Of decodes, in tokens. */
    readonly decode: readonly number[];
    /** Of decodes in micro-batches, in tokens. */
    readonly ubatched: readonly number[];
    /** `[tokens, prefill slots, decode slots]` of graphs for steps with a prefill. */
    readonly mixed: readonly MixedShape[];
  };
  /** Steps counted, by size and shape. */
  readonly histogram: HistogramDocument;
  /** Costs of steps, in the unit of `costModel`. */
  readonly cost: {
    /** Of each size from 1 to `largestDecode`, in tokens. */
    readonly decode: Readonly<Record<string, number>>;
  };
  /** The best decode ladder of each number of graphs, twins counted, by the costs that were optimised for. */
  readonly curve: readonly {
    /** Graphs of the ladder. */
    readonly graphs: number;
    /** Padding over real tokens. */
    readonly paddingRatio: number;
    /** The same by `costModel`. */
    readonly timeRatio: number;
  }[];
  /** Engines' defaults at the same limits, on the same steps. */
  readonly engines: readonly EngineScore[];
  /** How the steps of an engine's log or of a step log ran; null for other sources, and where a log does not say on what. */
  readonly asRan: AsRanScore | null;
  /** What an engine's log tells of its graphs; null for other sources. */
  readonly log: PlanLog | null;
  /** Steps of which the source does not say whether they hold a prefill. */
  readonly unknownSteps: number;
  /** Our fewest graphs that lose no more time than an engine's default. */
  readonly equalTime: readonly EqualGraphs[];
  /** Our fewest graphs that pad no more than an engine's default. */
  readonly equalPadding: readonly EqualGraphs[];
  /** Null if the source does not give the order of its steps, or one of the two parts has no decode. */
  readonly unseen: UnseenScore | null;
  /** Null without `--mixed`. */
  readonly mixedGrid: MixedGridScore | null;
  /** Faults and worst cases of the plan. */
  readonly audit: PlanAudit;
  /** Sizes that are captured plain and in micro-batches. */
  readonly twins: readonly PlanTwin[];
  /** The flags of `emitted`, by engine. */
  readonly emit: Readonly<Record<EngineName, string>>;
  /** The ladder in each engine's own settings, with its score there. */
  readonly emitted: readonly EmittedLadder[];
}
