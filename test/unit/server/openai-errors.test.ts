import { describe, expect, it } from 'vitest';
import { LockstepError } from '../../../dist/entry/planner.js';
import { answerOf } from '../../../dist/server/openai-errors.js';

const folder = '/srv/models/private';

describe('what a client is told of an error', () => {
  it.each<[string, LockstepError, number, RegExp]>([
    [
      'a file of the model',
      new LockstepError('ERR_INPUT_INVALID', `${folder}/tokenizer_config.json: no such roles`, {
        file: `${folder}/tokenizer_config.json`,
      }),
      400,
      /^tokenizer_config\.json: no such roles$/,
    ],
    [
      'a lost rank',
      new LockstepError('ERR_RANK_LOST', `The ranks were lost: file://${folder}/forward.js has no default export`),
      503,
      /ranks .* lost; try again/,
    ],
    ['a fault of the server', new LockstepError('ERR_DEVICE_LOST', `${folder}/driver.so`), 500, /server failed/],
    ['what is no error of ours', new Error(folder) as LockstepError, 500, /server failed/],
  ])('names no folder: %s', (_name, error, status, message) => {
    const answer = answerOf(error);
    expect(answer.status).toBe(status);
    expect(answer.body.error.message).toMatch(message);
    expect(JSON.stringify(answer.body)).not.toContain(folder);
  });
});
