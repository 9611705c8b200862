import type { LogBatch, LogLineReader } from '../log-batch.js';

/** The rest of the line describes the batch. Older versions have a full stop for the comma, and some a step number in brackets. */
const BATCH = /\b(Decode|Prefill) batch(?: \[\d+\])?[,.](.*)/;

/** Which fields there are, and in what order, differs between versions. */
const RUNNING = /#running-req: (\d+)\b/;
const SEQUENCES = /#new-seq: (\d+)\b/;
const TOKENS = /#new-token: (\d+)\b/;

/** `cuda graph: True`, or of another device. */
const GRAPH = /\b\w+ graph: (True|False)\b/;

/**
 * SGLang's lines about batches. A decode line counts requests, each of `queryLen` tokens; its `#token` is the KV cache's. A
 * prefill line counts the tokens that are computed. Source: SGLang `SchedulerMetricsMixin`.
 */
export function sglangLogReader(queryLen: number): LogLineReader {
  return (line) => {
    const [, kind, fields] = BATCH.exec(line) ?? [];
    if (kind === undefined) return null;
    const count = (field: RegExp): number => Number(field.exec(fields)?.[1] ?? 0);
    const decode = kind === 'Decode';
    const requests = count(decode ? RUNNING : SEQUENCES);
    const tokens = decode ? requests * queryLen : count(TOKENS);
    if (requests < 1 || tokens < 1) return null;
    const graph = GRAPH.exec(fields)?.[1];
    const mode: LogBatch['mode'] = graph === undefined ? undefined : graph === 'True' ? 'graph' : 'eager';
    return { phase: decode ? 'decode' : 'prefill', tokens, requests, ...(mode && { mode }), count: 1 };
  };
}
