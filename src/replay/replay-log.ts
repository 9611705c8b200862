import {
  type DecisionValue,
  type DecisionView,
  type FactWord,
  PARK_REASONS,
  RawRules,
  type ReasonCode,
} from '../agreement/index.js';
import { checkHas } from '../checks.js';
import type { Limits } from '../config.js';
import { LockstepError } from '../errors.js';
import { lineRefusal, type RefuseLine, sourceName } from '../input/index.js';
import type { CapturePlan } from '../keys/index.js';
import { ENUMS, FACT_WORDS, VOTE_WORDS, word } from '../layout/index.js';
import { loadModules } from '../memory/index.js';
import type { Policy } from '../policy/index.js';
import { type LogObject, LogReader, type TraceSource } from '../workload/index.js';
import { type Predecessor, Predecessors } from './predecessors.js';

/** How the steps of a log are to be decided. */
export interface ReplayOptions {
  /** The limits of the ranks. */
  readonly limits: Limits;
  /** The policy to decide by. */
  readonly policy: Policy;
  /** The graphs to decide for. */
  readonly plan: CapturePlan;
  /** What a step of n tokens costs. Default: the tokens. */
  readonly cost?: (tokens: number) => number | undefined;
  /** Ends the reading with ERR_ABORTED. */
  readonly signal?: AbortSignal;
}

/** A step that the log decided otherwise. */
export interface LogDifference {
  /** Line of the log, from 1. */
  readonly line: number;
  /** Number of the step. */
  readonly step: number;
  /** What differs, by its name in a decision. */
  readonly differs: Readonly<
    Record<
      string,
      {
        /** As it was logged. */
        readonly logged: unknown;
        /** As it is decided here. */
        readonly derived: unknown;
      }
    >
  >;
}

/** A log's steps, decided again. */
export interface ReplayedLog {
  /** Ranks of the log. */
  readonly ranks: number;
  /** Lines of steps. */
  readonly lines: number;
  /** Decisions among them other than to park. */
  readonly steps: number;
  /** Steps that run on a graph. */
  readonly graphSteps: number;
  /** Steps that run eager. */
  readonly eagerSteps: number;
  /** Decisions by their reason; reasons that never came up are left out. */
  readonly reasons: Partial<Record<ReasonCode, number>>;
  /** Lines with a decision, which is compared with what is decided here. */
  readonly compared: number;
  /** How many of those differ. */
  readonly different: number;
  /** The first that differs; null where none does. */
  readonly first: LogDifference | null;
  /** Cost of the captured sizes over that of the largest rank's real tokens, less 1, over graph steps. */
  readonly timeRatio: number;
  /** The same of the logged decisions; null where the log has none. */
  readonly loggedTimeRatio: number | null;
  /** Whether the log ends with the line that says it is whole; null for a log of others, which has none. */
  readonly complete: boolean | null;
  /** Why it is not whole, as the end of a sentence about it; null where nothing says so. */
  readonly incomplete: string | null;
}

/**
 * Decides every step of a log again under a policy and a plan. A line is `{step, rows[], decision?}`: rows are votes as a step log has
 * them, or facts that an engine logged (`tokens`, `prefillRequests`, `decodeRequests`, and what else of them it knows). Votes of
 * this very plan are taken word by word; all others are cast anew from the facts in them. Where a policy remembers the decision before and the log
 * lacks it, a logged decision has to follow from one that there can have been. Errors: ERR_INPUT_INVALID naming file and
 * line, ERR_CONFIG_INVALID, ERR_ABORTED.
 */
export async function replayLog(source: TraceSource, options: ReplayOptions): Promise<ReplayedLog> {
  checkHas('the options of replayLog', options, ['limits', 'policy', 'plan']);
  const file = sourceName(source);
  const { signal } = options;
  const refuse = lineRefusal('ERR_INPUT_INVALID', file, 'correct or remove the line');
  const modules = await loadModules();
  const log = new LogReader(source, { signal, versioned: true });
  let replay: LogReplay | undefined;
  for await (const block of log.blocks()) {
    for (const { line, value } of block) {
      const rows = value.rows;
      if (!Array.isArray(rows) || rows.length === 0) throw refuse(line, 'rows', 'the votes of at least one rank', rows);
      replay ??= new LogReplay(
        new RawRules(modules, { ...options, keys: options.plan.keys, ranks: rows.length }),
        options,
      );
      replay.take(value, rows as LogObject[], line, refuse);
    }
  }
  if (replay === undefined) {
    throw new LockstepError('ERR_INPUT_INVALID', `${file}: empty; give a step log, or rows that an engine logged`, {
      file,
    });
  }
  return { ...replay.summary(), complete: log.complete, incomplete: log.incomplete };
}

/** The replay of one log, line by line. */
class LogReplay {
  lines = 0;
  readonly #rules: RawRules;
  readonly #cost: (tokens: number) => number | undefined;
  readonly #reasons: Partial<Record<ReasonCode, number>> = {};
  readonly #predecessors: Predecessors;
  #steps = 0;
  #graphSteps = 0;
  #compared = 0;
  #different = 0;
  #first: LogDifference | null = null;
  #exact = 0;
  #padded = 0;
  #loggedExact = 0;
  #loggedPadded = 0;

  constructor(rules: RawRules, { cost }: ReplayOptions) {
    this.#rules = rules;
    this.#cost = cost ?? ((tokens) => tokens);
    this.#predecessors = new Predecessors(rules);
  }

  take(value: LogObject, rows: readonly LogObject[], line: number, refuse: RefuseLine): void {
    const rules = this.#rules;
    if (rows.length !== rules.ranks)
      throw refuse(line, 'rows', `${rules.ranks} ranks, as in the lines before`, rows.length);
    const step = this.lines++;
    for (const [rank, row] of rows.entries()) {
      if (typeof row !== 'object' || row === null)
        throw refuse(line, `the row of rank ${rank}`, 'one JSON object', row);
      this.#vote(rank, row, line, refuse);
      (rules.rows[rank] as Int32Array)[STEP] = step;
    }
    const at = typeof value.step === 'number' ? value.step : null;
    const logged = typeof value.decision === 'object' ? (value.decision as LogObject | null) : null;
    const choices = this.#predecessors.before(step, at).map((previous) => {
      const decision = this.#resolve(step, previous, line, refuse);
      const derived = decision.snapshot();
      return { words: decision.words.slice(), derived, differs: logged === null ? null : difference(logged, derived) };
    });
    // Which of them it was, a logged decision may say; where it is none of them, any may have been.
    const agreeing = choices.filter(({ differs }) => differs === null);
    const kept = agreeing.length > 0 ? agreeing : choices;
    const [{ derived, differs }] = kept;
    const words = kept.map((choice) => choice.words);
    this.#predecessors.after(at, words);
    const { run, reason, maxTokens, paddedTokens } = derived;
    this.#reasons[reason] = (this.#reasons[reason] ?? 0) + 1;
    if (!PARK_REASONS.includes(reason)) this.#steps++;
    if (run === 'full' || run === 'piecewise') {
      this.#graphSteps++;
      this.#exact += this.#cost(maxTokens) ?? 0;
      this.#padded += this.#cost(paddedTokens) ?? 0;
    }
    if (logged === null) return;
    this.#count(logged, derived);
    if (differs === null) return;
    this.#different++;
    this.#first ??= { line, step: at ?? step, differs };
  }

  summary(): Omit<ReplayedLog, 'complete' | 'incomplete'> {
    const ratio = (padded: number, exact: number): number => (exact === 0 ? 0 : padded / exact - 1);
    return {
      ranks: this.#rules.ranks,
      lines: this.lines,
      steps: this.#steps,
      graphSteps: this.#graphSteps,
      eagerSteps: this.#steps - this.#graphSteps,
      reasons: this.#reasons,
      compared: this.#compared,
      different: this.#different,
      first: this.#first,
      timeRatio: ratio(this.#padded, this.#exact),
      loggedTimeRatio: this.#loggedExact === 0 ? null : ratio(this.#loggedPadded, this.#loggedExact),
    };
  }

  /** A table that the rules refuse is a mistake of the log: of this line. */
  #resolve(step: number, previous: Predecessor, line: number, refuse: RefuseLine): DecisionView {
    try {
      return this.#rules.resolve(step, previous);
    } catch (error) {
      if (!(error instanceof LockstepError)) throw error;
      const { word = 'rows', values } = error.details as { word?: string; values?: unknown };
      return refuse(
        line,
        `${word} by rank`,
        'what ranks can vote under these limits (for more requests raise --max-num-seqs, for more tokens --max-num-batched-tokens)',
        values ?? error.message,
        error,
      );
    }
  }

  /** Writes the vote of a rank: its words as they are, if it voted under this very plan, else from the facts in its row. */
  #vote(rank: number, row: LogObject, line: number, refuse: RefuseLine): void {
    const number = (name: string, otherwise: number): number => {
      const value = row[name] ?? otherwise;
      if (typeof value !== 'number' || (value | 0) !== value) {
        throw refuse(line, `${name} of rank ${rank}`, 'an integer', row[name]);
      }
      return value;
    };
    const { rules } = this;
    if (row.planHash === rules.planHash) {
      rules.writeRow(
        rank,
        Object.fromEntries(
          VOTE_WORDS.filter((name) => name in row && name !== 'version').map((name) => [name, number(name, 0)]),
        ),
      );
      return;
    }
    const tokens = number('tokens', Number.NaN);
    const decodeRequests = number('decodeRequests', Number.NaN);
    const prefillRequests = number('prefillRequests', Number.NaN);
    const requests = decodeRequests + prefillRequests;
    const even = requests > 0 && tokens % requests === 0 ? tokens / requests : 0;
    const known: Partial<Record<FactWord, number>> = {
      uniformQueryLen: prefillRequests === 0 || requests === 1 ? even : 0,
      maxQueryLen: prefillRequests === 0 ? Math.ceil(tokens / Math.max(1, requests)) : tokens - requests + 1,
      maxDecodeQueryLen:
        prefillRequests === 0 ? Math.ceil(tokens / Math.max(1, requests)) : Math.min(1, decodeRequests),
      maxSeqLen: tokens,
      part0Tokens: tokens,
    };
    const facts = Object.fromEntries(FACT_WORDS.map((name) => [name, number(name, known[name] ?? 0)]));
    const control = number('control', ENUMS.CONTROL.run);
    const intent = { control, faultCode: number('faultCode', 0), variant: number('variant', 0) };
    rules.vote(rank, facts, { ...intent, graphVeto: number('graphVeto', 0), ubatchVeto: number('ubatchVeto', 0) });
  }

  /** Counts a logged decision, and what it pads. */
  #count(logged: LogObject, { maxTokens }: DecisionValue): void {
    this.#compared++;
    if ((logged.run === 'full' || logged.run === 'piecewise') && typeof logged.paddedTokens === 'number') {
      const [exact, padded] = [this.#cost(maxTokens), this.#cost(logged.paddedTokens)];
      // A size beyond the cost table has no cost.
      if (exact !== undefined && padded !== undefined) {
        this.#loggedExact += exact;
        this.#loggedPadded += padded;
      }
    }
  }

  get rules(): RawRules {
    return this.#rules;
  }
}

/** What of a decision is compared: not the number of a step, nor the index of a key in another plan. */
const COMPARED = [
  'run',
  'reason',
  'paddedTokens',
  'paddedRequests',
  'queryLen',
  'parts',
  'leave',
] as const satisfies readonly (keyof DecisionValue)[];

/** In what the two differ; null where in nothing. An engine may have logged a part of a decision. */
function difference(logged: LogObject, derived: DecisionValue): LogDifference['differs'] | null {
  const names = COMPARED.filter((name) => name in logged && !same(logged[name], derived[name]));
  if (names.length === 0) return null;
  return Object.fromEntries(names.map((name) => [name, { logged: logged[name], derived: derived[name] }]));
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

const STEP: number = word(VOTE_WORDS, 'step');
