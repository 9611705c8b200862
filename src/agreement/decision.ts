import { inspectAs } from '../inspect.js';
import { DECISION_WORDS, decisionPart, ENUMS, indexOf, nameOf, PART_WORDS, word } from '../layout/index.js';

/** How a step runs: not at all, without a graph, on a graph in pieces, or on a full one. */
export type RunKind = keyof typeof ENUMS.RUN;
/** Why this graph, or what forced a step to run eager. */
export type ReasonCode = keyof typeof ENUMS.REASON;
/** What busy ranks hold: decodes alone, prefills alone, or both; `idle` where none is busy. */
export type Phase = keyof typeof ENUMS.PHASE;
/** What MoE collectives move: nothing, equally many rows from every rank, each rank's own, or those of all together. */
export type GatherKind = keyof typeof ENUMS.GATHER;

/** Reasons of decisions that no step follows: every rank is idle, and waits or leaves. */
export const PARK_REASONS: readonly ReasonCode[] = ['all-idle', 'leave'];

/** Reasons for which a step runs eager. Every reason that is neither one of these nor of `PARK_REASONS` is that of a graph. */
export const EAGER_REASONS: readonly ReasonCode[] = [
  'no-key-for-phase',
  'no-key-for-query-length',
  'no-key-for-variant',
  'above-ladder',
  'no-plain-twin',
  'vetoed',
  'enforce-eager',
  'above-padding-factor',
  'rank-eager',
  'empty-part',
  'no-ubatched-key',
  'no-exact-key',
];

/** One part of a decision, by value. */
export interface DecisionPart {
  /** Tokens of the part, padding included: of the graph, or in eager what the largest rank needs. */
  readonly paddedTokens: number;
  /** Requests a graph's attention is sized for; 0 in eager, where each rank's own requests size it. */
  readonly paddedRequests: number;
  /** What the MoE layer's collectives move. */
  readonly gather: {
    /** How: `none`, `padded` (as many rows from each rank), `variable` (each rank's own rows) or `sum` (rows of all ranks, added up). */
    readonly kind: GatherKind;
    /** Rows of tokens that each rank brings, by rank; all equal where they are padded. */
    readonly tokensPerRank: readonly number[];
  };
}

/** What all ranks agreed on for one step, by value: only what is equal on every rank. */
export interface DecisionValue {
  /** The step's number, counted from `firstStep` and equal on all ranks; int32, which wraps around. */
  readonly step: number;
  /** How the step runs: `park` (not at all), `eager`, `piecewise` or `full`. */
  readonly run: RunKind;
  /** Why: one of the reasons in docs/concepts.md. */
  readonly reason: ReasonCode;
  /** The rank whose condition the reason names, or -1. */
  readonly reasonRank: number;
  /** The number behind the reason: how many requests, tokens or slots are above the ladder, the tokens of a key, the query length or phase that has no key, or the veto. */
  readonly reasonDetail: number;
  /** Index of the capture key in the plan, or -1. */
  readonly captureKey: number;
  /** What the busy ranks hold together: `decode`, `prefill`, `mixed` or `idle`. */
  readonly phase: Phase;
  /** Tokens of the step on a graph: those of the key. In eager the largest rank's, aligned; each rank's own are in its `ForwardBatch`. */
  readonly paddedTokens: number;
  /** Requests that the graph is captured for; 0 in eager. */
  readonly paddedRequests: number;
  /** Slots among them that take a prefill or a decode; 0 in eager. */
  readonly paddedPrefillRequests: number;
  /** Slots for decodes, which hold no prefill; 0 in eager. */
  readonly paddedDecodeRequests: number;
  /** Tokens each decode request has a place for in the graph; 0 in eager. */
  readonly queryLen: number;
  /** Ranks that hold a request in this step. */
  readonly busyRanks: number;
  /** Ranks that wanted micro-batches. */
  readonly ubatchWishes: number;
  /** Ranks below their threshold that count as wanting micro-batches because the last step ran in them. */
  readonly heldWishes: number;
  /** Whether the parts overlap; false for a single part, and for parts that share a resource that exists once. */
  readonly overlap: boolean;
  /** Some rank wanted micro-batches, and the plain key of a size that also has an ubatched key runs. */
  readonly plainTwin: boolean;
  /** Every rank leaves: no further step will be taken. */
  readonly leave: boolean;
  /** Largest number of real tokens on a rank. */
  readonly maxTokens: number;
  /** Kernel variant that the ranks voted for, such as a LoRA case; 0 by default, -1 where they differ. */
  readonly variant: number;
  /** One entry for each micro-batch: one where the step is whole, none where it is parked. */
  readonly parts: readonly DecisionPart[];
}

const RUNS = table('RUN');
const REASONS = table('REASON');
const PHASES = table('PHASE');
const GATHERS = table('GATHER');

function table<E extends 'RUN' | 'REASON' | 'PHASE' | 'GATHER'>(
  group: E,
): readonly (keyof (typeof ENUMS)[E] & string)[] {
  return Object.values(ENUMS[group]).map((value: number) => nameOf(group, value));
}

const W = indexOf(DECISION_WORDS);

/**
 * The decision of the planner's current step, read in place: the next `resolve` overwrites it. `step` says which it is;
 * `snapshot()` gives a value that lasts.
 */
export class DecisionView implements DecisionValue {
  static {
    inspectAs(DecisionView, (view) => view.snapshot());
  }

  /** The words themselves, for recording and comparing. */
  readonly words: Int32Array;

  /** A view of the words of a decision: i32[`DECISION_WORDS`], which it reads in place. */
  constructor(words: Int32Array) {
    this.words = words;
  }

  get step(): number {
    return this.words[W.step];
  }
  get run(): RunKind {
    return RUNS[this.words[W.run]];
  }
  get reason(): ReasonCode {
    return REASONS[this.words[W.reason]];
  }
  get reasonRank(): number {
    return this.words[W.reasonRank];
  }
  get reasonDetail(): number {
    return this.words[W.reasonDetail];
  }
  get captureKey(): number {
    return this.words[W.captureKey];
  }
  get phase(): Phase {
    return PHASES[this.words[W.phase]];
  }
  get paddedTokens(): number {
    return this.words[W.paddedTokens];
  }
  get paddedRequests(): number {
    return this.words[W.paddedRequests];
  }
  get paddedPrefillRequests(): number {
    return this.words[W.paddedPrefillRequests];
  }
  get paddedDecodeRequests(): number {
    return this.words[W.paddedDecodeRequests];
  }
  get queryLen(): number {
    return this.words[W.queryLen];
  }
  /** Number of ranks whose votes were resolved. */
  get ranks(): number {
    return this.words[W.ranks];
  }
  get busyRanks(): number {
    return this.words[W.busyRanks];
  }
  get ubatchWishes(): number {
    return this.words[W.ubatchWishes];
  }
  get heldWishes(): number {
    return this.words[W.heldWishes];
  }
  get overlap(): boolean {
    return this.words[W.overlap] !== 0;
  }
  get plainTwin(): boolean {
    return this.words[W.plainTwin] !== 0;
  }
  get leave(): boolean {
    return this.words[W.leave] !== 0;
  }
  get maxTokens(): number {
    return this.words[W.maxTokens];
  }
  get variant(): number {
    return this.words[W.variant];
  }
  /** Number of parts: 1 plain, 0 when parked. */
  get partCount(): number {
    return this.words[W.parts];
  }
  get parts(): readonly DecisionPart[] {
    const ranks = this.words[W.ranks];
    return Array.from({ length: this.partCount }, (_, part) => {
      const at = decisionPart(part, ranks);
      const tokensAt = at + PART_WORDS.length;
      return Object.freeze({
        paddedTokens: this.words[at + word(PART_WORDS, 'paddedTokens')],
        paddedRequests: this.words[at + word(PART_WORDS, 'paddedRequests')],
        gather: Object.freeze({
          kind: GATHERS[this.words[at + word(PART_WORDS, 'gather')]],
          tokensPerRank: Object.freeze([...this.words.subarray(tokensAt, tokensAt + ranks)]),
        }),
      });
    });
  }

  /** A frozen value that later steps leave alone. */
  snapshot(): DecisionValue {
    return Object.freeze({
      step: this.step,
      run: this.run,
      reason: this.reason,
      reasonRank: this.reasonRank,
      reasonDetail: this.reasonDetail,
      captureKey: this.captureKey,
      phase: this.phase,
      paddedTokens: this.paddedTokens,
      paddedRequests: this.paddedRequests,
      paddedPrefillRequests: this.paddedPrefillRequests,
      paddedDecodeRequests: this.paddedDecodeRequests,
      queryLen: this.queryLen,
      busyRanks: this.busyRanks,
      ubatchWishes: this.ubatchWishes,
      heldWishes: this.heldWishes,
      overlap: this.overlap,
      plainTwin: this.plainTwin,
      leave: this.leave,
      maxTokens: this.maxTokens,
      variant: this.variant,
      parts: Object.freeze(this.parts),
    });
  }

  /** What `JSON.stringify` writes: the names, as `snapshot()` has them. */
  toJSON(): DecisionValue {
    return this.snapshot();
  }
}
