import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import type { AgreedShape, DecisionValue, DecisionView } from '../agreement/index.js';
import { LockstepError } from '../errors.js';
import { VOTE_WORDS } from '../layout/index.js';

/** Name of a word of a vote that the layout uses. */
export type VoteWordName = Exclude<(typeof VOTE_WORDS)[number], `reserved${number}`>;

/** One line of a step log: what the ranks voted, words by their layout names, and what that came to. */
export interface StepLogLine {
  readonly step: number;
  /** By rank. Words that the layout reserves are left out. */
  readonly rows: readonly Readonly<Record<VoteWordName, number>>[];
  readonly decision: DecisionValue;
}

const NAMES: readonly (readonly [string, number])[] = VOTE_WORDS.map((name, index) => [name, index] as const).filter(
  ([name]) => !name.startsWith('reserved'),
);

/** Steps that are decided alike: the same table of votes but for step numbers and growing sequences. Read it at once. */
export interface SimulatedSpan {
  /** The first of them, and how many. */
  readonly step: number;
  readonly steps: number;
  /**
   * int32[32] of each rank: its vote in the first step. In every further one `step` is one more, and so is the `maxSeqLen` of a
   * rank that has requests.
   */
  readonly rows: readonly Int32Array[];
  readonly decision: DecisionView;
  /** What the ranks needed together; a parked step needed nothing. */
  readonly shape: AgreedShape;
}

/** A line of the log, by value. `rows`: int32[32] of each rank. */
export function stepLogLine(rows: readonly Int32Array[], decision: DecisionValue): StepLogLine {
  return {
    step: decision.step,
    rows: rows.map(
      (row) => Object.fromEntries(NAMES.map(([name, index]) => [name, row[index]])) as Record<VoteWordName, number>,
    ),
    decision,
  };
}

/** The line of a step that was resolved. `table`: int32[ranks, 32]. */
export function stepRecord(table: Int32Array, decision: DecisionView): StepLogLine {
  const ranks = table.length / VOTE_WORDS.length;
  const rows = Array.from({ length: ranks }, (_, rank) =>
    table.subarray(rank * VOTE_WORDS.length, (rank + 1) * VOTE_WORDS.length),
  );
  return stepLogLine(rows, decision.snapshot());
}

/** Every step of a span as a line of its own. */
export function* spanLines({ rows, decision, step, steps }: SimulatedSpan): Generator<StepLogLine> {
  const first = stepLogLine(rows, decision.snapshot());
  for (let further = 0; further < steps; further++) {
    const at = step + further;
    yield {
      step: at,
      rows: first.rows.map((row) => ({
        ...row,
        step: at,
        maxSeqLen: row.tokens > 0 ? row.maxSeqLen + further : row.maxSeqLen,
      })),
      decision: { ...first.decision, step: at },
    };
  }
}

/** A step log as a JSONL file, written no faster than the disk takes it. */
export class StepLogFile {
  readonly #path: string;
  readonly #stream: WriteStream;
  #failure: Error | undefined;

  /** Opens the file anew. Errors, here and later: ERR_INPUT_INVALID naming the file that cannot be written. */
  static async open(path: string): Promise<StepLogFile> {
    const file = new StepLogFile(path);
    await file.#settled('open');
    return file;
  }

  private constructor(path: string) {
    this.#path = path;
    this.#stream = createWriteStream(path);
    this.#stream.on('error', (error) => {
      this.#failure = error;
    });
  }

  /** Writes a line; waits where the file has fallen behind. */
  async write(line: StepLogLine): Promise<void> {
    if (this.#failure !== undefined) throw this.#refusal(this.#failure);
    if (!this.#stream.write(`${JSON.stringify(line)}\n`)) await this.#settled('drain');
  }

  /** Writes what is left and closes the file. */
  async close(): Promise<void> {
    if (this.#failure !== undefined) throw this.#refusal(this.#failure);
    this.#stream.end();
    await this.#settled('close');
  }

  async #settled(event: string): Promise<void> {
    try {
      await once(this.#stream, event);
    } catch (error) {
      throw this.#refusal(error as Error);
    }
  }

  #refusal(cause: Error): LockstepError {
    const { message } = cause;
    return new LockstepError(
      'ERR_INPUT_INVALID',
      `${this.#path} cannot be written: ${message}`,
      { path: this.#path },
      { cause },
    );
  }
}
