import { checkAborted, lineRefusal, readLineBlocks, readText, sourceName, type TextSource } from '../input/index.js';
import { STEP_LOG_END, STEP_LOG_VERSION } from '../names.js';

/** The JSON object of one line. */
export type LogObject = Readonly<Record<string, unknown>>;

/** One line of a log. */
export interface LoggedLine {
  /** From 1. */
  readonly line: number;
  readonly value: LogObject;
}

const VERSION_REMEDY = 'read the log with the version of Lockstep that wrote it, or log the steps again with this one';

/**
 * Reads a log of JSON Lines that may end with a line saying how many it has: a step log or a capture log, whole, cut off when its
 * writer was killed, of before there was such a line, or of another program. Errors: ERR_INPUT_INVALID naming file and line, ERR_ABORTED.
 */
export class LogReader {
  readonly #source: TextSource;
  readonly #signal: AbortSignal | undefined;
  readonly #checks: boolean;
  #read = 0;
  /** Lines since the last end: logs may follow each other. */
  #since = 0;
  #ended = false;
  #versioned = false;
  #incomplete: string | null = null;

  /** `versioned`: whether lines that name another version than ours are refused. */
  constructor(
    source: TextSource,
    { signal, versioned }: { readonly signal?: AbortSignal | undefined; readonly versioned: boolean },
  ) {
    this.#source = source;
    this.#signal = signal;
    this.#checks = versioned;
  }

  /** Why the log is not whole, as the end of a sentence about it, once all is read; null where nothing says so. */
  get incomplete(): string | null {
    if (this.#incomplete !== null) return this.#incomplete;
    const open = this.#since > 0 && (this.#ended || this.#versioned);
    return open
      ? 'ends without the line that says it is complete: what wrote it was killed, and later lines are missing'
      : null;
  }

  /** Whether the log says that it is whole, and is; null for one that cannot say so. */
  get complete(): boolean | null {
    if (this.incomplete !== null) return false;
    return this.#ended ? true : null;
  }

  /** The lines but blank ones and those that end a log, as they come. */
  async *blocks(): AsyncGenerator<readonly LoggedLine[]> {
    const file = sourceName(this.#source);
    const refuse = lineRefusal('ERR_INPUT_INVALID', file, 'correct or remove the line');
    const text = readText(this.#source, { signal: this.#signal });
    for await (const { first, lines, unended } of readLineBlocks(text, refuse)) {
      checkAborted(this.#signal, file);
      const block: LoggedLine[] = [];
      for (const [index, text] of lines.entries()) {
        if (text.trim() === '') continue;
        const line = first + index;
        const value = objectOf(text);
        if (value === null) {
          if (unended !== true || this.#read === 0 || !text.startsWith('{'))
            refuse(line, 'the line', 'one JSON object', text);
          this.#incomplete ??= `is cut off in line ${line}: what wrote it was killed, and later lines are missing`;
        } else if (value[STEP_LOG_END] !== undefined) {
          this.#end(value[STEP_LOG_END]);
        } else {
          if (this.#checks) checkVersion(value, { file, line });
          this.#versioned ||= this.#checks && value.schemaVersion !== undefined;
          this.#read++;
          this.#since++;
          block.push({ line, value });
        }
      }
      if (block.length > 0) yield block;
    }
  }

  #end(said: unknown): void {
    if (said !== this.#since) {
      this.#incomplete ??= `says that it has ${String(said)} lines, and has ${this.#since}`;
    }
    this.#ended = true;
    this.#since = 0;
  }
}

/** Refuses a line that names another version than ours; one of the first logs names none. */
export function checkVersion({ schemaVersion }: LogObject, { file, line }: { file: string; line: number }): void {
  if (schemaVersion === undefined || schemaVersion === STEP_LOG_VERSION) return;
  const refuse = lineRefusal('ERR_INPUT_INVALID', file, VERSION_REMEDY);
  refuse(line, 'schemaVersion of a step log', String(STEP_LOG_VERSION), schemaVersion);
}

/** The JSON object that a line holds; null for anything else. */
function objectOf(text: string): LogObject | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as LogObject) : null;
  } catch {
    return null;
  }
}
