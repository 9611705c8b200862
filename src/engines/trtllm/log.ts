import type { LogFact, LogLineReader } from '../log-batch.js';

const ITERATION = /\biter = (\d+)\b/;
const RANK = /\b(?:global_)?rank = (\d+)\b/;
const SCHEDULED = /\bnum_scheduled_requests(?:: | = )(\d+)\b/;
const PROMPTS = /'num_ctx_requests': (\d+)\b/;
const PROMPT_TOKENS = /'num_ctx_tokens': (\d+)\b/;
const GENERATED = /'num_generation_tokens': (\d+)\b/;

/**
 * The line that TensorRT-LLM's PyTorch backend logs of each iteration with `print_iter_log`. Lines of one iteration are those of
 * its ranks. Source: TensorRT-LLM `PyExecutor._profiler`, `PyTorchModelEngine.iter_states`.
 */
export function trtllmLogReader(queryLen: number): LogLineReader {
  return (line) => {
    if (!line.includes("'num_generation_tokens'")) return null;
    const iteration = ITERATION.exec(line)?.[1];
    if (iteration === undefined) return null;
    const number = (field: RegExp): number => Number(field.exec(line)?.[1] ?? 0);
    const [prompts, promptTokens, generated] = [PROMPTS, PROMPT_TOKENS, GENERATED].map(number);
    const scheduled = SCHEDULED.exec(line)?.[1];
    const decodes = Math.ceil(generated / queryLen);
    const requests = scheduled === undefined ? prompts + decodes : Number(scheduled);
    const tokens = promptTokens + generated;
    const phase = promptTokens === 0 ? 'decode' : generated === 0 ? 'prefill' : 'mixed';
    const batch: Extract<LogFact, { kind: 'batch' }>['batch'] = {
      phase,
      tokens,
      requests: tokens === 0 ? 0 : Math.max(1, Math.min(requests, tokens)),
      count: 1,
    };
    return { kind: 'batch', batch, rank: RANK.exec(line)?.[1], moment: iteration };
  };
}
