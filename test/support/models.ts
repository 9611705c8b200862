import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
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

/** A copy of the model with a template that says messages one after another. Whoever asks for it removes it. */
export function storiesWithTemplate(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-chat-'));
  cpSync(stories, folder, { recursive: true });
  const config = path.join(folder, 'tokenizer_config.json');
  const chat_template = "{{ bos_token }}{% for message in messages %}{{ message['content'] }}{% endfor %}";
  const said = { ...JSON.parse(readFileSync(config, 'utf8')), chat_template };
  // The copy may be read-only, as the model is.
  rmSync(config);
  writeFileSync(config, JSON.stringify(said));
  return folder;
}
