import { MAX_LOGPROBS } from '../service/index.js';

/** JSON schemas of the bodies that the server takes: what is not in them is refused, and named. */

/** Most prompts of one request. */
const MOST_PROMPTS = 128;

const optional = (schema: object): object => ({ anyOf: [schema, { type: 'null' }] });
const TOKENS = { type: 'array', items: { type: 'integer', minimum: 0 } };

const SHARED = {
  model: { type: 'string' },
  stream: optional({ type: 'boolean' }),
  stream_options: optional({
    type: 'object',
    properties: { include_usage: { type: 'boolean' } },
    additionalProperties: false,
  }),
  n: optional({ type: 'integer', minimum: 1, maximum: 128 }),
  temperature: optional({ type: 'number', minimum: 0, maximum: 2 }),
  top_p: optional({ type: 'number', exclusiveMinimum: 0, maximum: 1 }),
  top_k: optional({ type: 'integer', minimum: -1 }),
  // What is beyond has been rounded as it was read.
  seed: optional({ type: 'integer', minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER }),
  stop: optional({
    anyOf: [
      { type: 'string', minLength: 1 },
      { type: 'array', maxItems: 16, items: { type: 'string', minLength: 1 } },
    ],
  }),
  stop_token_ids: optional({ ...TOKENS, maxItems: 1024 }),
  ignore_eos: optional({ type: 'boolean' }),
  return_token_ids: optional({ type: 'boolean' }),
  user: optional({ type: 'string', maxLength: 256 }),
  // Values that change nothing are taken; others are refused by name.
  frequency_penalty: optional({ type: 'number' }),
  presence_penalty: optional({ type: 'number' }),
  logit_bias: optional({ type: 'object' }),
  response_format: optional({ type: 'object' }),
} as const;

export const COMPLETION_BODY: object = {
  type: 'object',
  required: ['prompt'],
  additionalProperties: false,
  properties: {
    ...SHARED,
    prompt: {
      anyOf: [
        { type: 'string' },
        { type: 'array', minItems: 1, items: { type: 'integer', minimum: 0 } },
        { type: 'array', minItems: 1, maxItems: MOST_PROMPTS, items: { type: 'string' } },
        { type: 'array', minItems: 1, maxItems: MOST_PROMPTS, items: { ...TOKENS, minItems: 1 } },
      ],
    },
    max_tokens: optional({ type: 'integer', minimum: 0 }),
    echo: optional({ type: 'boolean' }),
    logprobs: optional({ type: 'integer', minimum: 0, maximum: 5 }),
    best_of: optional({ type: 'integer' }),
    suffix: optional({ type: 'string' }),
  },
};

const TEXT_PARTS = {
  type: 'array',
  items: {
    type: 'object',
    required: ['type', 'text'],
    additionalProperties: false,
    properties: { type: { const: 'text' }, text: { type: 'string' } },
  },
};

export const CHAT_BODY: object = {
  type: 'object',
  required: ['messages'],
  additionalProperties: false,
  properties: {
    ...SHARED,
    messages: {
      type: 'array',
      minItems: 1,
      items: {
        type: 'object',
        required: ['role', 'content'],
        additionalProperties: false,
        properties: {
          role: { type: 'string' },
          content: { anyOf: [{ type: 'string' }, TEXT_PARTS] },
          name: { type: 'string' },
        },
      },
    },
    max_tokens: optional({ type: 'integer', minimum: 1 }),
    max_completion_tokens: optional({ type: 'integer', minimum: 1 }),
    logprobs: optional({ type: 'boolean' }),
    top_logprobs: optional({ type: 'integer', minimum: 0, maximum: MAX_LOGPROBS }),
  },
};

/** Fields that take several forms, by their place in a body, and what they must be. */
const FORMS: readonly (readonly [place: RegExp, forms: string])[] = [
  [/^\/prompt$/, `a text, token ids (whole numbers from 0, at least one), or a list of either (1 to ${MOST_PROMPTS})`],
  [/^\/stop$/, 'a text, or up to 16 texts, none of them empty'],
  [/^\/messages\/\d+\/content$/, 'a text, or a list of { "type": "text", "text" }'],
];

/** What a field of several forms must be, in words that follow "must be"; null for other fields. */
export function formsOf(place: string): string | null {
  return FORMS.find(([pattern]) => pattern.test(place))?.[1] ?? null;
}
