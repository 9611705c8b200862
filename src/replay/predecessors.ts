import type { RawRules } from '../agreement/index.js';
import { DECISION_WORDS, indexOf } from '../layout/index.js';

/** A decision that a policy may remember; undefined: none, or none of which it remembers anything. */
export type Predecessor = Int32Array | undefined;

/**
 * What there can have been before the next step of a log. A policy with hysteresis decides by whether the step before had micro-batches. Where that step is
 * not in the log, because its beginning is missing or steps between are, there are two decisions that it can have been.
 */
export class Predecessors {
  readonly #rules: RawRules;
  readonly #remembers: boolean;
  /** Number of the last step, where the log says it. */
  #last: number | null = null;
  #decisions: readonly Predecessor[] | null = null;

  constructor(rules: RawRules) {
    this.#rules = rules;
    this.#remembers = rules.policy.ubatchHysteresis > 0;
  }

  /** Those of the step that the log numbers `at`, null where it does not, and that has `step` here. Steps of a log begin with 0. */
  before(step: number, at: number | null): readonly Predecessor[] {
    if (!this.#remembers || at === 0) return [undefined];
    const follows = at === null || this.#last === null || ((this.#last + 1) | 0) === at;
    return follows && this.#decisions !== null ? this.#decisions : [undefined, splitDecision(this.#rules, step)];
  }

  /** Takes what the step that the log numbers `at` can have been decided as. */
  after(at: number | null, decisions: readonly Int32Array[]): void {
    this.#last = at;
    this.#decisions = decisions.filter((words, index) => decisions.findIndex((other) => alike(words, other)) === index);
  }
}

function alike(a: Int32Array, b: Int32Array): boolean {
  return a.every((word, index) => word === b[index]);
}

/** A decision before `step` of which that one can remember no more than that it has micro-batches. */
export function splitDecision(rules: RawRules, step: number): Int32Array {
  const words = new Int32Array(rules.decision.words.length);
  words[D.step] = step - 1;
  words[D.parts] = rules.policy.ubatches;
  return words;
}

const D = indexOf(DECISION_WORDS);
