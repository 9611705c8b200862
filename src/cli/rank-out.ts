import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { LockstepError } from '../errors.js';
import { StagedFile } from '../formats/index.js';
import type { RankReport } from '../run/index.js';

/**
 * What one process of a run leaves in the folder of `--rank-out`: `rank-N.json`, with its report or with the error that ended it. It
 * appears whole, and not at all if the process was killed; the file of an earlier run goes first.
 */
export class RankOut {
  readonly #path: string;
  readonly #place: { readonly rank: number; readonly processes: number };

  /** Errors: ERR_INPUT_INVALID for a folder that cannot be made. */
  constructor(folder: string, place: { readonly rank: number; readonly processes: number }) {
    this.#place = place;
    this.#path = path.join(folder, `rank-${place.rank}.json`);
    try {
      mkdirSync(folder, { recursive: true });
      rmSync(this.#path, { force: true });
    } catch (cause) {
      throw new StagedFile(this.#path).refusal(cause as Error);
    }
  }

  finished(report: RankReport): void {
    this.#write({ report });
  }

  failed(error: unknown): void {
    const { code, message, details } =
      error instanceof LockstepError ? error : { code: null, message: String(error), details: {} };
    this.#write({ error: { code, message, details } });
  }

  #write(outcome: object): void {
    const file = new StagedFile(this.#path);
    try {
      writeFileSync(file.writePath, `${JSON.stringify({ schemaVersion: 1, ...this.#place, ...outcome })}\n`);
    } catch (cause) {
      file.drop();
      throw file.refusal(cause as Error);
    }
    file.place();
  }
}
