import type { LogBatch, LogLineReader } from './engine-log.js';

/** Older versions have a full stop for the comma, some a step number in brackets. */
const DECODE = /\bDecode batch(?: \[\d+\])?[,.].*?#running-req: (\d+)\b/;

const PREFILL = /\bPrefill batch(?: \[\d+\])?[,.].*?#new-seq: (\d+), #new-token: (\d+)\b/;

/** `cuda graph: True`, or of another device. */
const GRAPH = /\b\w+ graph: (True|False)\b/;

/**
 * SGLang's lines about batches. A decode line counts requests, each of `queryLen` tokens; its `#token` is the KV cache's. A
 * prefill line counts the tokens that are computed. Source: SGLang `SchedulerMetricsMixin`.
 */
export function sglangLogReader(queryLen: number): LogLineReader {
  return (line) => {
    const decode = DECODE.exec(line);
    const prefill = decode === null ? PREFILL.exec(line) : null;
    const requests = Number(decode?.[1] ?? prefill?.[1] ?? 0);
    const tokens = prefill === null ? requests * queryLen : Number(prefill[2]);
    if (requests < 1 || tokens < 1) return null;
    const graph = GRAPH.exec(line)?.[1];
    const mode: LogBatch['mode'] = graph === undefined ? undefined : graph === 'True' ? 'graph' : 'eager';
    return { phase: decode === null ? 'prefill' : 'decode', tokens, requests, ...(mode && { mode }), count: 1 };
  };
}
