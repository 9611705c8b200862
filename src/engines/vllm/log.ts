import { type LogBatch, type LogFact, type LogLineReader, type LogTime, sizesOf } from '../log-batch.js';
import { vllmMetricsReader } from './metrics.js';

/** `- Mode: CUDAGraphMode.FULL_AND_PIECEWISE`: the rows after this line have that mode. The line of the configuration says it too. */
const SETTING =
  /(?:- Mode: (?:CUDAGraphMode\.)?|cudagraph_mode['"]?: ?['"]?(?:<?CUDAGraphMode\.)?)(NONE|PIECEWISE|FULL|FULL_DECODE_ONLY|FULL_AND_PIECEWISE)\b/;

/** `- Capture sizes: [1, 2, 4]`, and of the line of the configuration. */
const SIZES = /(?:- Capture sizes: |cudagraph_capture_sizes['"]?: ?)\[([\d, ]+)\]/;

/** Unpadded tokens, padded tokens, paddings, runtime mode, count. */
const ROW = /\|\s*(\d+)\s*\|\s*(\d+)\s*\|\s*(\d+)\s*\|\s*(?:CUDAGraphMode\.)?(NONE|PIECEWISE|FULL)\s*\|\s*(\d+)\s*\|/;

const CAPTURED = /Graph capturing finished in (\d+(?:\.\d+)?) secs?, took (\d+(?:\.\d+)?) GiB/;

/** VLLM_LOG_BATCHSIZE_INTERVAL: (tokens, count, median ms), or without times in the first versions; counted since the start. */
const STATISTICS = /\(batchsize, count(?:, median_time\(ms\))?\): \[(.*)\]/;
const STATISTIC = /\((\d+), (\d+)(?:, (\d+(?:\.\d+)?))?\)/g;

/** The line of throughput, every 10 s by default: `Avg generation throughput: 812.4 tokens/s, Running: 42 reqs, Waiting: 0 reqs, …`. */
const RUNNING = /\bRunning: (\d{1,9}) reqs, /;
const ENGINE = /\bEngine (\d{1,6}): /;

/** The rank that wrote the line: `(EngineCore_DP1 pid=212)`. */
const RANK = /\bEngineCore_DP(\d+)\b/;
const PROCESS = /\(([\w.-]{1,64} pid=\d+)/;

const MODES = { NONE: 'eager', PIECEWISE: 'piecewise', FULL: 'full' } as const;

/** Modes in which full graphs hold decodes alone. */
const DECODES_APART = ['FULL_AND_PIECEWISE', 'FULL_DECODE_ONLY'];

/**
 * Rows of the tables that vLLM logs with `--cudagraph-metrics`, each of which counts the steps since the last table. A row
 * has no phase: full graphs hold decodes alone where the mode says so, all else may hold prefills. A log without a mode
 * is taken to have vLLM's default, FULL_AND_PIECEWISE. A row also counts without its table's header, which log rotation may have cut off.
 * Also its batch-size statistics, what capturing took, and the requests that ran whenever it logged its throughput. Source: vLLM
 * `CUDAGraphLogging`, `set_forward_context`, `capture_model`, `LoggingStatLogger`.
 */
export function vllmLogReader(queryLen: number): LogLineReader {
  let decodesApart = true;
  const metrics = vllmMetricsReader();
  return (line) => {
    const counted = metrics(line);
    if (counted !== null) return counted;
    if (line.includes('|')) {
      const row = rowOf(line, decodesApart);
      if (row !== null) return row;
    }
    if (line.includes('(batchsize, count')) return statisticsOf(line);
    const sizes = sizesOf(SIZES.exec(line)?.[1] ?? '');
    const setting = SETTING.exec(line);
    if (setting !== null) {
      decodesApart = DECODES_APART.includes(setting[1]);
      if (sizes === null) return { kind: 'mode', mode: setting[1] };
    }
    if (sizes !== null) return { kind: 'sizes', sizes };
    if (line.includes(' reqs, ')) return sampleOf(line, queryLen);
    const captured = CAPTURED.exec(line);
    if (captured === null) return null;
    const [seconds, gibibytes] = [captured[1], captured[2]].map(Number);
    return { kind: 'capture', what: 'model', capture: { bytes: Math.round(gibibytes * 2 ** 30), seconds } };
  };
}

function rowOf(line: string, decodesApart: boolean): LogFact | null {
  const row = ROW.exec(line);
  if (row === null) return null;
  const [tokens, padded, paddings, count] = [row[1], row[2], row[3], row[5]].map(Number);
  if (tokens < 1 || padded - tokens !== paddings || count < 1) return null;
  const mode: LogBatch['mode'] = MODES[row[4] as keyof typeof MODES];
  return {
    kind: 'batch',
    batch: { phase: decodesApart && mode === 'full' ? 'decode' : 'mixed', tokens, padded, mode, count },
    rank: RANK.exec(line)?.[1],
  };
}

/** The requests that run at this moment, as one decode of all of them. */
function sampleOf(line: string, queryLen: number): LogFact | null {
  const requests = Number(RUNNING.exec(line)?.[1] ?? Number.NaN);
  if (!Number.isSafeInteger(requests)) return null;
  const rank = ENGINE.exec(line)?.[1];
  if (requests === 0 && rank === undefined) return null;
  // Engines write at moments of their own: lines are of one round until an engine writes again.
  const moment = 'round';
  return { kind: 'sample', batch: { phase: 'decode', tokens: requests * queryLen, requests, count: 1 }, rank, moment };
}

function statisticsOf(line: string): LogFact | null {
  const list = STATISTICS.exec(line)?.[1];
  if (list === undefined) return null;
  const times = Array.from(list.matchAll(STATISTIC), ([, tokens, count, ms]): LogTime => {
    return { tokens: Number(tokens), count: Number(count), ms: ms === undefined ? null : Number(ms) };
  }).filter(({ tokens, count }) => tokens >= 1 && count >= 1);
  if (times.length === 0) return null;
  return { kind: 'times', process: PROCESS.exec(line)?.[1] ?? '', times };
}
