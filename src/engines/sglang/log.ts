import { type LogBatch, type LogFact, type LogLineReader, sizesOf } from '../log-batch.js';

/** The rest of the line describes the batch. Older versions have a full stop for the comma, and some a step number in brackets. */
const BATCH = /\b(Decode|Prefill) batch(?: \[\d+\])?[,.](.*)/;

/** Which fields there are, and in what order, differs between versions. */
const RUNNING = /#running-req: (\d+)\b/;
const SEQUENCES = /#new-seq: (\d+)\b/;
const TOKENS = /#new-token: (\d+)\b/;

/** A number at the end of a line that is cut may be a part of one. */
const LAST_NUMBER = /\d+$/;

/** `cuda graph: True`, or of another device. */
const GRAPH = /\b\w+ graph: (True|False)\b/;

/** `[2026-05-07 05:58:00 DP1 TP1 EP1]`: the second, and the rank under data parallelism. */
const PREFIX = /\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)([^\]]{0,64})\]/;
const RANK = /\bDP(\d+)\b/;

/** The sizes of decode graphs, in requests; versions before 2026 name the list in a line of its own. */
const SIZES = /Capture (?:target (?:decode|verify) CUDA graph begin\..*\bbs=|cuda graph bs )\[([\d, ]+)\]/;

/** What capturing took; prefill graphs are not counted. */
const CAPTURED =
  /Capture (?:((?:target|draft) \w+) CUDA|cuda) graph end\. (?:elapsed=|Time elapsed: )([\d.]+) s[,.]?(.*)/;
const MEMORY = /mem usage=(\d+(?:\.\d+)?) GB/;

/**
 * SGLang's lines about batches and captures. A decode line counts requests, each of `queryLen` tokens; its `#token` is the KV cache's. A
 * prefill line counts the tokens that are computed. Memory is in units of 2^30 bytes. Source: SGLang `SchedulerMetricsMixin`, `ModelRunner`.
 */
export function sglangLogReader(queryLen: number): LogLineReader {
  return (line, unended) =>
    line.includes(' batch')
      ? batchOf(unended ? line.replace(LAST_NUMBER, '') : line, queryLen)
      : line.includes('Capture ')
        ? captureOf(line, queryLen)
        : null;
}

function batchOf(line: string, queryLen: number): LogFact | null {
  const [, kind, fields] = BATCH.exec(line) ?? [];
  if (kind === undefined) return null;
  const decode = kind === 'Decode';
  const requests = Number((decode ? RUNNING : SEQUENCES).exec(fields)?.[1] ?? Number.NaN);
  const tokens = decode ? requests * queryLen : Number(TOKENS.exec(fields)?.[1] ?? Number.NaN);
  // A line without its counts says nothing, also not that its rank was idle.
  if (Number.isNaN(requests + tokens)) return null;
  const [, moment, ranks] = PREFIX.exec(line) ?? [];
  const rank = RANK.exec(ranks ?? '')?.[1];
  const busy = requests >= 1 && tokens >= 1;
  if (!busy && rank === undefined) return null;
  const graph = GRAPH.exec(fields)?.[1];
  const mode: LogBatch['mode'] = graph === undefined ? undefined : graph === 'True' ? 'graph' : 'eager';
  return {
    kind: 'batch',
    batch: {
      phase: decode ? 'decode' : 'prefill',
      tokens: busy ? tokens : 0,
      requests: busy ? requests : 0,
      ...(mode && { mode }),
      count: 1,
    },
    rank,
    moment,
  };
}

function captureOf(line: string, queryLen: number): LogFact | null {
  const sizes = sizesOf(SIZES.exec(line)?.[1] ?? '');
  if (sizes !== null) return { kind: 'sizes', sizes: sizes.map((requests) => requests * queryLen) };
  const [, what = 'decode', seconds, rest] = CAPTURED.exec(line) ?? [];
  if (seconds === undefined || what.endsWith('prefill')) return null;
  const gigabytes = Number(MEMORY.exec(rest)?.[1] ?? 0);
  return { kind: 'capture', what, capture: { bytes: Math.round(gigabytes * 2 ** 30), seconds: Number(seconds) } };
}
