import { Faults } from '../checks.js';
import type { Limits } from '../config.js';
import { checkedControls, type SamplingControls } from '../decoder/index.js';
import { LockstepError, shown } from '../errors.js';
import { mostTokens } from './engine-request.js';
import { MAX_LOGPROBS } from './token-logprobs.js';

/** How tokens of a request are drawn, and what ends it. */
export interface GenerateOptions {
  /** Cancels the request: its iterator throws `ERR_ABORTED`. */
  readonly signal?: AbortSignal | undefined;
  /** Tokens after which it ends with the reason `length`. Default: what the limits leave after the prompt. */
  readonly maxTokens?: number | undefined;
  /** 0: always the most likely token. Default 1. */
  readonly temperature?: number | undefined;
  /** Tokens kept, the most likely first; 0 keeps all. Default 0. */
  readonly topK?: number | undefined;
  /** Share of the probability kept, above 0, to 1. Default 1. */
  readonly topP?: number | undefined;
  /** Equal seeds, prompts and options give equal tokens. Unsigned, of 64 bits. Default: drawn for each request. */
  readonly seed?: number | bigint | undefined;
  /** Texts that end the request with the reason `stop`; they are not part of what is given. Up to 16. */
  readonly stop?: string | readonly string[] | undefined;
  /** Tokens that end it with the reason `stop`, beside the model's own. */
  readonly stopTokenIds?: readonly number[] | undefined;
  /** Whether it goes on after the model's end-of-text tokens. Default false. */
  readonly ignoreEos?: boolean | undefined;
  /** Choices, each with a seed of its own: `seed`, `seed + 1`, …. Default 1, at most 128 and the service's `places`. */
  readonly n?: number | undefined;
  /** Whose request it is: waiting requests of different clients alternate. Default: one client for all. */
  readonly client?: string | undefined;
  /** Whether it shares KV blocks with prompts that begin alike. Default true. */
  readonly sharePrefix?: boolean | undefined;
  /** With each token, how likely it was, and this many of the likeliest in its place: 0 to 20. Default: neither. */
  readonly logprobs?: number | undefined;
}

/** Those options, checked and with their defaults. */
export interface CompleteGenerateOptions {
  readonly signal: AbortSignal | undefined;
  readonly maxTokens: number;
  readonly controls: SamplingControls;
  readonly stops: readonly string[];
  readonly stopTokenIds: readonly number[];
  readonly n: number;
  readonly client: string;
  readonly sharePrefix: boolean;
  readonly logprobs: number | undefined;
}

const NAMES: readonly (keyof GenerateOptions)[] = [
  'signal',
  'maxTokens',
  'temperature',
  'topK',
  'topP',
  'seed',
  'stop',
  'stopTokenIds',
  'ignoreEos',
  'n',
  'client',
  'sharePrefix',
  'logprobs',
];

export const MAX_CHOICES = 128;
const MAX_STOPS = 16;
const MAX_STOP_LENGTH = 1024;
const U64 = (1n << 64n) - 1n;

/** Errors: `ERR_CONFIG_INVALID` naming every fault; `ERR_BATCH_LIMIT` for a prompt that leaves no room. */
export function completeGenerateOptions(
  given: GenerateOptions,
  {
    promptTokens,
    limits,
    eosTokenIds,
    places,
  }: { promptTokens: number; limits: Limits; eosTokenIds: readonly number[]; places: number },
): CompleteGenerateOptions {
  const faults = new Faults();
  faults.names('generate options', given, NAMES);
  const { temperature = 1, topK = 0, topP = 1, stop = [], stopTokenIds = [], ignoreEos = false } = given;
  const { n = 1, client = '', sharePrefix = true, signal, logprobs } = given;
  const left = mostTokens(limits) - promptTokens;
  const { maxTokens = Math.max(0, left) } = given;
  faults.integer('maxTokens', maxTokens, 0, 2 ** 31 - 1);
  const drawn = checkedControls({ temperature, topK, topP }, faults);
  // More than there are places would wait for ever.
  faults.integer('n', n, 1, Math.min(MAX_CHOICES, places));
  if (logprobs !== undefined) faults.integer('logprobs', logprobs, 0, MAX_LOGPROBS);
  faults.check(typeof client === 'string', `client is ${shown(client)}; it must be a string`, 'client');
  for (const [name, value] of Object.entries({ ignoreEos, sharePrefix })) {
    faults.check(typeof value === 'boolean', `${name} is ${shown(value)}; it must be true or false`, name);
  }
  faults.check(
    signal === undefined || signal instanceof AbortSignal,
    `signal is ${shown(signal)}; it must be an AbortSignal`,
    'signal',
  );
  const stops = typeof stop === 'string' ? [stop] : stop;
  const textual = Array.isArray(stops) && stops.every((text) => typeof text === 'string' && text.length > 0);
  faults.check(textual, `stop is ${shown(stop)}; it must be a text, or texts, that are not empty`, 'stop');
  if (textual) {
    faults.check(
      stops.length <= MAX_STOPS && stops.every(({ length }) => length <= MAX_STOP_LENGTH),
      `stop has ${stops.length} texts; it may have ${MAX_STOPS} of ${MAX_STOP_LENGTH} characters`,
      'stop',
    );
  }
  faults.check(
    Array.isArray(stopTokenIds) && stopTokenIds.length <= 1024 && stopTokenIds.every(Number.isInteger),
    `stopTokenIds is ${shown(stopTokenIds)}; it must be an array of up to 1024 token ids`,
    'stopTokenIds',
  );
  const seed = seedOf(given.seed, faults);
  faults.throwIfAny('These options');
  if (left < maxTokens || promptTokens === 0) {
    const why =
      promptTokens === 0
        ? 'The prompt has no tokens'
        : `The prompt has ${promptTokens} tokens, and ${maxTokens} more are asked for`;
    throw new LockstepError(
      'ERR_BATCH_LIMIT',
      `${why}; a request has at least one token, and ${mostTokens(limits)} in all: shorten the prompt or lower maxTokens.`,
      { promptTokens, maxTokens, most: mostTokens(limits) },
    );
  }
  return {
    signal,
    maxTokens,
    controls: { ...drawn, seed },
    stops,
    stopTokenIds: [...new Set([...(ignoreEos ? [] : eosTokenIds), ...stopTokenIds])],
    n,
    client,
    sharePrefix,
    logprobs,
  };
}

function seedOf(seed: number | bigint | undefined, faults: Faults): bigint {
  if (seed === undefined) return BigInt(Math.floor(Math.random() * Number.MAX_SAFE_INTEGER));
  const whole = typeof seed === 'bigint' ? seed : Number.isSafeInteger(seed) ? BigInt(seed) : -1n;
  faults.check(
    whole >= 0n && whole <= U64,
    `seed is ${shown(seed)}; it must be a whole number of 64 bits, not below 0`,
    'seed',
  );
  return whole;
}
