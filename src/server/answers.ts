import { randomUUID } from 'node:crypto';
import type { ChoicePiece, Choices, Usage, WholeChoice } from './choices.js';
import { chatLogprobs, completionLogprobs } from './logprobs.js';

/** How one kind of request is answered: whole, and in pieces. */
export interface AnswerForm {
  whole(choices: readonly WholeChoice[], usage: Usage, tokenIds: boolean): object;
  /** What a stream begins with, of one choice; nothing where that is null. */
  begin(index: number, echo: string): object | null;
  piece(piece: ChoicePiece, tokenIds: boolean): object;
  /** What ends a stream that says what it took. */
  usage(usage: Usage): object;
}

/** Answers of one request share an id, a time and the model's name. */
function heading(prefix: string, model: string): { id: string; created: number; model: string } {
  return { id: `${prefix}-${randomUUID()}`, created: Math.floor(Date.now() / 1000), model };
}

const ids = (given: boolean, tokens: readonly number[]): object => (given ? { token_ids: tokens } : {});

export function completionForm(model: string): AnswerForm {
  const { id, created } = heading('cmpl', model);
  const head = { id, object: 'text_completion', created, model };
  return {
    whole: (choices, usage, tokenIds) => ({
      ...head,
      choices: choices.map(({ index, text, tokenIds: tokens, finishReason, logprobs }) => ({
        index,
        text,
        logprobs: logprobs && completionLogprobs(logprobs),
        finish_reason: finishReason,
        ...ids(tokenIds, tokens),
      })),
      usage,
    }),
    begin: (index, echo) =>
      echo === '' ? null : { ...head, choices: [{ index, text: echo, logprobs: null, finish_reason: null }] },
    piece: ({ index, text, token, finishReason, logprobs }, tokenIds) => ({
      ...head,
      choices: [
        {
          index,
          text,
          logprobs: logprobs && completionLogprobs([logprobs]),
          finish_reason: finishReason,
          ...ids(tokenIds, token === null ? [] : [token]),
        },
      ],
    }),
    usage: (usage) => ({ ...head, choices: [], usage }),
  };
}

export function chatForm(model: string): AnswerForm {
  const { id, created } = heading('chatcmpl', model);
  const head = { id, created, model };
  const chunk = { ...head, object: 'chat.completion.chunk' };
  return {
    whole: (choices, usage, tokenIds) => ({
      ...head,
      object: 'chat.completion',
      choices: choices.map(({ index, text, tokenIds: tokens, finishReason, logprobs }) => ({
        index,
        message: { role: 'assistant', content: text, refusal: null },
        logprobs: logprobs && chatLogprobs(logprobs),
        finish_reason: finishReason,
        ...ids(tokenIds, tokens),
      })),
      usage,
    }),
    begin: (index) => ({
      ...chunk,
      choices: [{ index, delta: { role: 'assistant', content: '' }, logprobs: null, finish_reason: null }],
    }),
    piece: ({ index, text, token, finishReason, logprobs }, tokenIds) => ({
      ...chunk,
      choices: [
        {
          index,
          delta: { content: text },
          logprobs: logprobs && chatLogprobs([logprobs]),
          finish_reason: finishReason,
          ...ids(tokenIds, token === null ? [] : [token]),
        },
      ],
    }),
    usage: (usage) => ({ ...chunk, choices: [], usage }),
  };
}

/** Every event of a stream, `[DONE]` last. An error that comes on the way is thrown. */
export async function streamAnswer(
  choices: Choices,
  form: AnswerForm,
  write: (event: string) => Promise<void>,
): Promise<void> {
  const { includeUsage, tokenIds } = choices.request;
  const usage = includeUsage ? { usage: null } : {};
  const send = (event: object): Promise<void> => write(JSON.stringify(event));
  for (let index = 0; index < choices.count; index++) {
    const first = form.begin(index, choices.echo(index));
    if (first !== null) await send({ ...first, ...usage });
  }
  await choices.each(async (piece) => {
    // A piece that says nothing yet is part of the next one's.
    if (piece.text === '' && piece.finishReason === null && piece.logprobs === null && !tokenIds) return;
    await send({ ...form.piece(piece, tokenIds), ...usage });
  });
  if (includeUsage) await send(form.usage(choices.usage));
  await write('[DONE]');
}
