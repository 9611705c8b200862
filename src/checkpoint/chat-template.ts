import path from 'node:path';
import { LockstepError } from '../errors.js';
import { isFile, readDocument } from './files.js';
import { modelRefusal } from './refusal.js';

/** A message of a chat. */
export interface ChatMessage {
  /** `system`, `user`, `assistant`, or what else the model's template knows. */
  readonly role: string;
  /** The message's text. */
  readonly content: string;
  /** Who says it, for a template that writes names. */
  readonly name?: string;
}

/** A template, and the file that it stands in. */
export interface ChatTemplate {
  readonly file: string;
  readonly text: string;
}

/**
 * The template of a model's chats: chat_template.jinja, or else tokenizer_config.json's `chat_template`, of several the one named
 * `default`; null where there is none. Errors: ERR_MODEL_INVALID.
 */
export function chatTemplateOf(
  directory: string,
  configFile: string,
  config: ReadonlyMap<string, unknown>,
): ChatTemplate | null {
  const own = path.join(directory, 'chat_template.jinja');
  if (isFile(own)) return { file: own, text: readDocument(own) };
  const value = config.get('chat_template') ?? null;
  if (value === null) return null;
  const listed: unknown = Array.isArray(value) ? value.find((entry) => entry?.name === 'default')?.template : value;
  if (typeof listed === 'string') return { file: configFile, text: listed };
  const expected = 'a template, or a list with one of the name "default"';
  throw modelRefusal({ file: configFile, field: 'chat_template', expected, found: value });
}

/** Renders chats with a template; the text ends where the assistant's answer begins. */
export type ChatRenderer = (messages: readonly ChatMessage[]) => string;

/** Loads the library of templates, and compiles this one when the first chat is rendered. `names`: what else the template may use. */
export async function chatRenderer(
  template: ChatTemplate,
  names: Readonly<Record<string, unknown>>,
): Promise<ChatRenderer> {
  const { Template } = await import('@huggingface/jinja');
  let compiled: InstanceType<typeof Template> | undefined;
  return (messages) => {
    checkMessages(messages);
    try {
      compiled ??= new Template(template.text);
    } catch (cause) {
      const found = (cause as Error).message;
      throw modelRefusal({
        file: template.file,
        field: 'the chat template',
        expected: 'well-formed Jinja',
        found,
        cause,
      });
    }
    try {
      return compiled.render({
        ...names,
        messages: messages.map((message) => ({ ...message })),
        add_generation_prompt: true,
      });
    } catch (cause) {
      // A template says by this what chats it does not take, such as two messages of the user in a row.
      const message = `${template.file}: the chat template does not take these messages: ${(cause as Error).message}`;
      throw new LockstepError('ERR_INPUT_INVALID', message, { file: template.file }, { cause });
    }
  };
}

function checkMessages(messages: readonly ChatMessage[]): void {
  const known = (message: unknown): boolean =>
    typeof message === 'object' &&
    message !== null &&
    'role' in message &&
    typeof message.role === 'string' &&
    'content' in message &&
    typeof message.content === 'string' &&
    (!('name' in message) || message.name === undefined || typeof message.name === 'string');
  if (Array.isArray(messages) && messages.every(known)) return;
  throw new LockstepError(
    'ERR_INPUT_INVALID',
    'messages must be a list of { role, content } and, where there is one, name, all of them text',
    {},
  );
}
