import type { DecisionView, RawRules, VoteGroup } from '../../../dist/agreement/index.js';
import { ENUMS, VOTE_WORDS, word } from '../../../dist/layout/layout.js';
import type { StepPlanner } from '../../../dist/planner/index.js';
import type { RecordState, StepRecord } from '../../../dist/recorder/index.js';
import type { Build } from './build.js';
import type { Traffic } from './traffic.js';

const WIDTH = VOTE_WORDS.length;
const CONTROL = word(VOTE_WORDS, 'control');
const VETO = word(VOTE_WORDS, 'graphVeto');

/** What a rank did of one step, beside which its record is held. */
interface Attempt {
  readonly step: number;
  readonly sequence: number;
  readonly row: Int32Array;
  state: Exclude<RecordState, 'none'>;
  decisionHash: number | null;
  parked: boolean;
  error: string | null;
}

/** One all-gather of votes, as all ranks see it together. */
interface Gather {
  readonly sequence: number;
  readonly step: number;
  /** What each rank voted; null before it has. */
  readonly rows: (Int32Array | null)[];
  /** What was launched, by the rank that was first. */
  decision: Int32Array | null;
  readonly launched: boolean[];
  /** Who has the table, and who entered and will not have it; -1 for nobody. */
  completed: number;
  givenUp: number;
}

/** Steps of each rank that are kept, and steps of a recorder. */
export const KEPT_STEPS = 16;

/** Holds what ranks do against what all of them did, as they do it: the laws of a step. */
export class Monitor {
  readonly attempts: Attempt[][];
  /** Steps that were launched or parked, on all ranks together. */
  steps = 0;
  parks = 0;
  readonly #build: Build;
  readonly #planners: readonly StepPlanner[];
  readonly #traffics: readonly Traffic[];
  readonly #gathers: Gather[] = [];
  readonly #next: Int32Array;
  readonly #reliable: boolean;
  #reference: { readonly group: VoteGroup; readonly rules: RawRules } | null = null;
  #parkedLast = false;

  /** `reliable`: every message of a rank that lives arrives, once, so that an all-gather completes on all ranks or on none. */
  constructor(build: Build, planners: readonly StepPlanner[], traffics: readonly Traffic[], reliable: boolean) {
    this.#build = build;
    this.#reliable = reliable;
    this.#planners = planners;
    this.#traffics = traffics;
    this.attempts = planners.map(() => []);
    this.#next = Int32Array.from(planners, ({ step }) => step);
  }

  /** The first law that was broken; ranks go on and may take it for an error of theirs. */
  violation: Error | null = null;

  fail(what: string): never {
    this.violation ??= new Error(what);
    throw this.violation;
  }

  /** A rank enters all-gather `sequence` with its vote. */
  voted(rank: number, sequence: number): void {
    const { step, row } = this.#planners[rank];
    const vote = row.slice();
    const kept = this.attempts[rank];
    if (kept.length === KEPT_STEPS) kept.shift();
    kept.push({ step, sequence, row: vote, state: 'voted', decisionHash: null, parked: false, error: null });
    this.#gather(sequence, step).rows[rank] = vote;
  }

  /** A rank has the table of the all-gather that it entered last. */
  gathered(rank: number): void {
    const attempt = this.attempts[rank].at(-1) as Attempt;
    attempt.state = 'gathered';
    const gather = this.#gather(attempt.sequence, attempt.step);
    gather.completed = rank;
    this.#checkAllOrNone(gather);
  }

  /** A rank will not have the table of the all-gather that it entered last. */
  gaveUp(rank: number): void {
    const attempt = this.attempts[rank].at(-1) as Attempt;
    const gather = this.#gather(attempt.sequence, attempt.step);
    gather.givenUp = rank;
    this.#checkAllOrNone(gather);
  }

  /** A rank launches its step, or parks. */
  launches(rank: number): void {
    const planner = this.#planners[rank];
    const attempt = this.attempts[rank].at(-1) as Attempt;
    const gather = this.#gather(attempt.sequence, attempt.step);
    const { decision, table } = planner;
    const what = `rank ${rank} launches step ${decision.step}`;
    if (decision.step !== this.#next[rank]) this.fail(`${what} where ${this.#next[rank]} is next`);
    if (attempt.state !== 'gathered' || gather.launched[rank]) this.fail(`${what} before it has the table`);
    this.#next[rank]++;
    gather.launched[rank] = true;
    for (const [peer, row] of gather.rows.entries()) {
      if (row === null) this.fail(`${what} before rank ${peer} has voted`);
      if (row.some((value, at) => table[peer * WIDTH + at] !== value)) {
        this.fail(`${what} from another row of rank ${peer} than it voted`);
      }
    }
    gather.decision ??= this.#expected(gather);
    if (!equal(gather.decision, decision.words)) this.fail(`${what} by another decision than the reference's`);
    if (planner.decisionHash === 0) this.fail(`${what} without a decision's hash`);
    attempt.state = 'built';
    attempt.parked = decision.run === 'park';
    attempt.decisionHash = planner.decisionHash;
    this.#checkSlots(rank, decision, what);
  }

  /** The launch was taken. */
  launched(rank: number): void {
    const attempt = this.attempts[rank].at(-1) as Attempt;
    attempt.state = 'launched';
    this.steps++;
  }

  /** Whether that rank's step came as far as a launch since it voted. */
  isLaunched(rank: number): boolean {
    const state = this.attempts[rank].at(-1)?.state;
    return state === 'built' || state === 'launched';
  }

  /**
   * A call of a rank ended with an error. `voted`: it had voted in this call; else it waited in the park of the step before, which goes on
   * where the caller ended the wait.
   */
  failed(rank: number, code: string, voted: boolean): void {
    const attempt = this.attempts[rank].at(-1);
    const parked = attempt?.parked === true && code !== 'ERR_ABORTED';
    if (attempt !== undefined && (voted || parked)) attempt.error ??= code;
  }

  /** Holds a rank's record against what it did. `exact`: not for a rank that was ended from outside between two of its calls. */
  checkRecords(rank: number, records: readonly StepRecord[], exact: boolean): void {
    const shown = (each: Attempt | StepRecord): string =>
      JSON.stringify([each.step, each.sequence >>> 0, [...each.row], each.decisionHash, each.state, each.error]);
    const done = this.attempts[rank].map(shown);
    const recorded = records.map(shown);
    if (!exact) for (const list of [done, recorded]) list.pop();
    const at = done.findIndex((each, index) => each !== recorded[index]);
    if (at < 0 && done.length === recorded.length) return;
    this.fail(`rank ${rank} recorded ${recorded.at(at)} where it did ${done.at(at)}`);
  }

  #checkAllOrNone({ sequence, completed, givenUp }: Gather): void {
    if (!this.#reliable || completed < 0 || givenUp < 0) return;
    this.fail(`rank ${completed} completes all-gather ${sequence}, which rank ${givenUp} gives up`);
  }

  #gather(sequence: number, step: number): Gather {
    let gather = this.#gathers.find((each) => each.sequence === sequence);
    if (gather === undefined) {
      const ranks = this.#planners.length;
      gather = {
        sequence,
        step,
        rows: Array.from({ length: ranks }, () => null),
        decision: null,
        launched: Array.from({ length: ranks }, () => false),
        completed: -1,
        givenUp: -1,
      };
      // Ranks are at most one all-gather apart.
      if (this.#gathers.length === 4) this.#gathers.shift();
      this.#gathers.push(gather);
    }
    return gather;
  }

  /** The words of the decision that one process alone makes of what all ranks hold. */
  #expected({ rows, step }: Gather): Int32Array {
    this.#reference ??= this.#makeReference();
    const { group, rules } = this.#reference;
    let leaving = 0;
    for (const [rank, traffic] of this.#traffics.entries()) {
      group.voteTotals(rank, traffic.totals());
      for (const said of [CONTROL, VETO]) rules.rows[rank][said] = rows[rank]?.[said] ?? 0;
      if (rules.rows[rank][CONTROL] === ENUMS.CONTROL.leave) leaving++;
    }
    const { words, run } = group.resolve(step);
    if (run === 'park') this.parks++;
    if (run === 'park' && this.#parkedLast && leaving === 0) {
      this.fail(`step ${step} is parked again without work, or a wish to leave, in between`);
    }
    this.#parkedLast = run === 'park' && leaving === 0;
    return words.slice();
  }

  /** Ranks may vote again without work: one step could not be taken. */
  unpark(): void {
    this.#parkedLast = false;
  }

  #makeReference() {
    const { RawRules, VoteGroup, modules } = this.#build;
    const [{ limits, policy, plan, ranks }] = this.#planners;
    const rules = new RawRules(modules, { limits, policy, keys: plan.keys, ranks });
    return { rules, group: new VoteGroup(rules) };
  }

  #checkSlots(rank: number, decision: DecisionView, what: string): void {
    if (decision.run === 'park') return;
    const { tensors, paddedTokens } = this.#planners[rank].local;
    const slots = Array.from(tensors.slotMapping.subarray(0, paddedTokens), Number).filter((slot) => slot >= 0);
    const expected = this.#traffics[rank].slots();
    if (slots.length === expected.length && slots.sort((a, b) => a - b).every((slot, at) => slot === expected[at]))
      return;
    this.fail(`${what} with slots ${slots} in place of ${expected}`);
  }
}

function equal(a: Int32Array, b: Int32Array): boolean {
  return a.length === b.length && a.every((value, at) => value === b[at]);
}
