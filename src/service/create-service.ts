import type { TextTokenizer } from '../checkpoint/index.js';
import { Service } from './service.js';
import { completeServiceOptions, type ServiceOptions } from './service-options.js';

/**
 * Starts a service: worker threads load the model, capture their graphs and wait for requests. Close it, or declare it with
 * `await using`, to end them. Errors: `ERR_CONFIG_INVALID` (every fault at once), `ERR_PLAN_CAPACITY`, `ERR_DEVICE_UNAVAILABLE`,
 * those of the model's files, and `ERR_RANK_LOST` where a rank fails as it starts.
 */
export async function createService(options: ServiceOptions): Promise<Service> {
  const complete = await completeServiceOptions(options);
  const { directory } = complete.model;
  const tokenizer = options.tokenizer === undefined ? await tokenizerIn(directory) : options.tokenizer;
  return await Service.start(complete, tokenizer);
}

async function tokenizerIn(directory: string | null): Promise<TextTokenizer | null> {
  if (directory === null) return null;
  // Loaded for models that may have one.
  const { openTokenizer } = await import('../checkpoint/index.js');
  return await openTokenizer(directory);
}
