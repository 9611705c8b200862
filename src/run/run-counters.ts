import type { DecisionView } from '../agreement/index.js';
import type { ForwardBatch } from '../batch/index.js';
import { DecisionCounters } from '../counts/index.js';
import { fnv1a } from '../numbers.js';

/** Counts the steps that one rank takes. */
export class RunCounters extends DecisionCounters {
  #digest = fnv1a([]);

  override count(decision: DecisionView, local: ForwardBatch): void {
    this.#digest = fnv1a(decision.words, this.#digest);
    super.count(decision, local);
  }

  /** Hash of every word of every decision so far: ranks that agreed on all have the same. */
  get digest(): number {
    return this.#digest;
  }
}
