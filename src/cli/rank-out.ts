import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { LockstepError } from '../errors.js';
import { lockBeside, staleRankFiles, writeDocument, writeRefusal } from '../output/index.js';
import type { RankReport } from '../run/index.js';

/** The file of a rank in the folder of `--rank-out`. */
export function rankOutFile(folder: string, rank: number): string {
  return path.join(folder, `rank-${rank}.json`);
}

/**
 * What one process of a run leaves in the folder of `--rank-out`: `rank-N.json`, with its report or with the error that ended it. It
 * appears whole, and not at all if the process was killed; the file of an earlier run goes first, and by rank 0 those of ranks that this
 * run does not have. Until the process ends no other run of this host writes it.
 */
export class RankOut {
  readonly #path: string;
  readonly #place: { readonly rank: number; readonly processes: number };

  /** Errors: ERR_INPUT_INVALID for a folder that cannot be made, or that another run writes. */
  constructor(folder: string, place: { readonly rank: number; readonly processes: number }) {
    this.#place = place;
    this.#path = rankOutFile(folder, place.rank);
    try {
      mkdirSync(folder, { recursive: true });
      lockIfPossible(this.#path);
      const stale = place.rank > 0 ? [] : staleRankFiles(folder, place.processes, rankOutFile);
      for (const file of [this.#path, ...stale]) rmSync(file, { force: true });
    } catch (cause) {
      throw writeRefusal(this.#path, cause);
    }
  }

  finished(report: RankReport): Promise<void> {
    return this.#write({ report });
  }

  failed(error: unknown): Promise<void> {
    const { code, message, details } =
      error instanceof LockstepError ? error : { code: null, message: String(error), details: {} };
    return this.#write({ error: { code, message, details } });
  }

  #write(outcome: object): Promise<void> {
    return writeDocument(this.#path, `${JSON.stringify({ schemaVersion: 1, ...this.#place, ...outcome })}\n`);
  }
}

/** A file system without hard links has no such lock, and its results are written all the same. */
function lockIfPossible(file: string): void {
  try {
    lockBeside(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall !== 'link') throw error;
  }
}
