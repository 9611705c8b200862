import type { RequestTable } from './request.js';

/** The limits that say which requests can ever run: those of `SchedulerLimits`. */
export interface AdmissionLimits {
  readonly maxModelLen: number;
  readonly blockSize: number;
  /** The null block included. */
  readonly numBlocks: number;
}

/**
 * Of a workload of which no request can ever run: the options of the command line that would admit its shortest one, such as
 * `--num-blocks 12`, in a sentence. `requests` holds at least one.
 */
export function admissionAdvice(requests: RequestTable, limits: AdmissionLimits): string {
  let tokens = Number.POSITIVE_INFINITY;
  for (let request = 0; request < requests.length; request++) {
    tokens = Math.min(tokens, (requests.inputTokens[request] as number) + (requests.outputTokens[request] as number));
  }
  const numBlocks = Math.ceil(tokens / limits.blockSize) + 1;
  const options = [
    ...(limits.maxModelLen < tokens ? [`--max-model-len ${tokens}`] : []),
    ...(limits.numBlocks < numBlocks ? [`--num-blocks ${numBlocks}`] : []),
  ];
  return `the shortest holds ${tokens} tokens, prompt and output: ${options.join(' and ')} would admit it`;
}
