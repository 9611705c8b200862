import { LockstepError } from '../errors.js';

/** `ERR_DRAINING` for what comes after `drain()`. */
export function drainingError(): LockstepError {
  return new LockstepError('ERR_DRAINING', 'The service is ending and takes no new requests; ask another one.');
}

/** `ERR_OVERLOADED`: choices that are open, those of them in the service's queue, long texts that are encoded, and how many of each may wait. */
export function overloadedError(counts: {
  readonly open: number;
  readonly queued: number;
  readonly encoding: number;
  readonly maxQueue: number;
  readonly retryAfterMs: number;
}): LockstepError {
  const { open, queued, encoding, maxQueue, retryAfterMs } = counts;
  const texts = encoding === 0 ? '' : ` ${encoding} long texts are being encoded.`;
  return new LockstepError(
    'ERR_OVERLOADED',
    `${open} requests are open and ${queued} wait, of ${maxQueue} that may.${texts} Try again in ${retryAfterMs} ms.`,
    { ...counts },
  );
}

/** `ERR_CONFIG_INVALID` for logprobs of a forward that gives tokens alone. */
export function noLogits(model: string): LockstepError {
  return new LockstepError(
    'ERR_CONFIG_INVALID',
    `logprobs is given, and the forward of ${model} is a module's, of which only tokens are known; leave logprobs out`,
    { options: ['logprobs'] },
  );
}
