import type { RequestTable } from './request.js';

/** The limits that say which requests can ever run: those of `SchedulerLimits`. */
export interface AdmissionLimits {
  readonly maxModelLen: number;
  readonly blockSize: number;
  /** The null block included. */
  readonly numBlocks: number;
}

/** The options that `admissionAdvice` may name. */
export const ADMITTING_OPTIONS: readonly (keyof AdmissionLimits)[] = ['maxModelLen', 'numBlocks'];

/**
 * For a workload none of whose requests can ever run: a sentence with the options that would admit its shortest request, such as
 * `numBlocks 12`. `requests` holds at least one.
 */
export function admissionAdvice(requests: RequestTable, limits: AdmissionLimits): string {
  let tokens = Number.POSITIVE_INFINITY;
  for (let request = 0; request < requests.length; request++) {
    tokens = Math.min(tokens, (requests.inputTokens[request] as number) + (requests.outputTokens[request] as number));
  }
  const numBlocks = Math.ceil(tokens / limits.blockSize) + 1;
  const options = [
    ...(limits.maxModelLen < tokens ? [`maxModelLen ${tokens}`] : []),
    ...(limits.numBlocks < numBlocks ? [`numBlocks ${numBlocks}`] : []),
  ];
  return `the shortest holds ${tokens} tokens, prompt and output: ${options.join(' and ')} would admit it`;
}
