import { existsSync } from 'node:fs';
import path from 'node:path';

/** A real model and what it says, which the repository does not carry: see docs/checkpoints.md. */
export const stories: string = path.resolve(import.meta.dirname, '../../../shared/models/stories260k');

/** There is no such folder beside the checkout. */
export const storiesAbsent: boolean = !existsSync(stories);

/** What the model says after a prompt. */
export interface Story {
  readonly prompt: string;
  readonly promptIds: readonly number[];
  /** Greedy continuation; it ends before BOS (1), or where prompt and output have `total` tokens. */
  readonly outputIds: readonly number[];
  readonly firstLogits8: readonly number[];
  /** Prompt and continuation. */
  readonly text: string;
}

/** The model's expected.json. */
export interface Stories {
  readonly total: number;
  readonly cases: readonly Story[];
}
