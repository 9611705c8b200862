import { RequestTable } from './request.js';

/** The same requests with prompts of `scale` times as many tokens, 1 at least; they share what is left of their prefixes. `scale` is at most 1. */
export function scalePrompts(table: RequestTable, scale: number): RequestTable {
  if (scale === 1) return table;
  const { hashBlockTokens } = table;
  const scaled = Array.from(table, (request) => {
    const inputTokens = Math.max(1, Math.round(request.inputTokens * scale));
    const hashIds = request.hashIds?.slice(0, Math.ceil(inputTokens / hashBlockTokens)) ?? null;
    return { ...request, inputTokens, hashIds };
  });
  return RequestTable.from(scaled, { hashBlockTokens });
}
