import type { AheadSampling, DrawnStep } from '../decoder/index.js';
import type { Rank, StepResult } from '../runtime/index.js';
import type { WaitOptions } from '../wait.js';
import type { EngineEvent } from './engine-events.js';
import type { AssumedToken, RankEngine } from './rank-engine.js';

/** A launched step whose tokens the host has not read. */
interface UnreadStep {
  readonly assumed: readonly AssumedToken[];
  readonly drawn: DrawnStep;
}

/**
 * The steps of a rank engine, each planned, voted and submitted while the one before runs. Tokens stay on the device and are read once the
 * next step is submitted, so a stop token is heard one step late: what that step computed for the request is dropped.
 */
export class AheadSteps {
  readonly #engine: RankEngine;
  readonly #ahead: AheadSampling;
  readonly #wait: WaitOptions;
  #before: UnreadStep | null = null;

  constructor(engine: RankEngine, ahead: AheadSampling, timeoutMs: number) {
    this.#engine = engine;
    this.#ahead = ahead;
    this.#wait = { timeoutMs };
  }

  /** One step, as `RankEngine.stepSync`; what requests are given is of the step before. */
  stepSync(rank: Rank, events: readonly EngineEvent[], leave = false): StepResult {
    const engine = this.#engine;
    engine.plan(events);
    const before = this.#before;
    this.#ahead.continueWith([...engine.goesOn(before?.assumed ?? [])]);
    const result = rank.stepSync({ leave });
    this.#before = result.decision.run === 'park' ? null : this.#draw(result);
    if (before !== null) engine.hear(before.assumed, before.drawn.readSync(this.#wait));
    return result;
  }

  #draw({ local }: StepResult): UnreadStep | null {
    const rows = this.#engine.rows(local);
    const logits = this.#engine.wantsLogits(local);
    const assumed = this.#engine.assume(local);
    if (rows.length === 0) return null;
    return { assumed, drawn: this.#ahead.draw(local, rows, assumed, { logits }) };
  }
}
