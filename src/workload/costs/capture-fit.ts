import { checkArguments, checkHas, checkList } from '../../checks.js';
import { LockstepError } from '../../errors.js';
import { lineRefusal, type RefuseLine, sourceName, type TextSource } from '../../input/index.js';
import { type LoggedLine, LogReader } from '../log-reader.js';
import type { CaptureCost } from './capture-cost.js';

/** One captured graph of a capture log. */
export interface CaptureLogRecord {
  /** Tokens the graph computes. */
  readonly tokens: number;
  /** By how much this capture let the pool and the graph's own memory grow; 0 if it fitted. */
  readonly reservedBytes: number;
  /** Seconds of its warm-up and capture. */
  readonly seconds: number;
}

/** A capture cost and how well it fits the log. */
export interface CaptureFit {
  /** The cost that fits best. */
  readonly cost: CaptureCost;
  /** Graphs of the log. */
  readonly graphs: number;
  /** Root mean square of (log - model) per graph. */
  readonly bytesError: number;
  /** Root mean square of (log - model) per graph, in seconds. */
  readonly secondsError: number;
}

/**
 * The capture cost that fits a log best: least squares without negative costs. A graph's bytes are a constant, and the tokens by
 * which it is larger than all before it times the pool's growth; its seconds are a constant, and more for the first. In a run
 * that captured largest first only the first graph shows the pool's growth. Records are in the order of capture. Errors:
 * ERR_INPUT_INVALID for an empty log.
 */
export function fitCaptureCost(records: readonly CaptureLogRecord[], source = 'a capture log'): CaptureFit {
  checkList('records', records);
  checkArguments('fitCaptureCost', { source: [source, 'text'] });
  for (const record of records) checkHas('a record', record, ['reservedBytes', 'seconds']);
  if (records.length === 0) {
    throw new LockstepError('ERR_INPUT_INVALID', `${source}: no captured graph to fit to; capture at least one`, {
      source,
    });
  }
  let largest = 0;
  const growth = records.map(({ tokens }) => {
    const more = Math.max(0, tokens - largest);
    largest += more;
    return more;
  });
  const bytes = fitLine(
    growth,
    records.map(({ reservedBytes }) => reservedBytes),
  );
  const seconds = fitLine(
    records.map((_, index) => (index === 0 ? 1 : 0)),
    records.map((record) => record.seconds),
  );
  const cost = Object.freeze({
    name: 'fitted',
    source,
    poolBytesPerToken: bytes.slope,
    bytesPerGraph: bytes.constant,
    firstSeconds: seconds.slope,
    secondsPerGraph: seconds.constant,
  });
  return { cost, graphs: records.length, bytesError: bytes.error, secondsError: seconds.error };
}

interface Line {
  readonly constant: number;
  readonly slope: number;
  /** Root mean square of the residuals. */
  readonly error: number;
}

/** The line of least squares with neither coefficient negative. */
function fitLine(x: readonly number[], y: readonly number[]): Line {
  const n = x.length;
  const sum = (value: (index: number) => number): number => x.reduce((total, _, index) => total + value(index), 0);
  const meanX = sum((i) => x[i]) / n;
  const meanY = sum((i) => y[i]) / n;
  const spread = sum((i) => (x[i] - meanX) ** 2);
  const slope = spread === 0 ? 0 : sum((i) => (x[i] - meanX) * (y[i] - meanY)) / spread;
  const squares = sum((i) => x[i] ** 2);
  // The optimum is inside, or on an edge where one coefficient is 0: the candidate in range with the least error.
  const candidates = [
    { constant: meanY - slope * meanX, slope },
    { constant: 0, slope: squares === 0 ? 0 : sum((i) => x[i] * y[i]) / squares },
    { constant: meanY, slope: 0 },
  ].filter((line) => line.constant >= 0 && line.slope >= 0);
  const lines = candidates.map((line) => ({
    ...line,
    error: Math.sqrt(sum((i) => (y[i] - line.constant - line.slope * x[i]) ** 2) / n),
  }));
  return lines.reduce((best, line) => (line.error < best.error ? line : best));
}

/** How a capture log is read. */
export interface CaptureLogOptions {
  /** Ends the reading with ERR_ABORTED. */
  readonly signal?: AbortSignal | undefined;
  /** Called where the log was cut off, or lacks lines; `why` ends a sentence about it. */
  readonly onIncomplete?: (why: string) => void;
}

/**
 * Reads a capture log: JSON Lines `{key, reservedBytes, allocatedBytes, seconds}` in the order of capture, where `key` is a capture
 * key or its tokens. Megatron-style logs say both bytes, which graphs reserve of the device and which of those they use: the
 * reserved ones are what the KV cache does not get. Our own records say `bytes`. Errors: ERR_INPUT_INVALID naming file and line;
 * ERR_ABORTED.
 */
export async function readCaptureLog(source: TextSource, options: CaptureLogOptions = {}): Promise<CaptureLogRecord[]> {
  checkArguments('readCaptureLog', { options: [options, 'object'] });
  const { signal, onIncomplete } = options;
  const file = sourceName(source);
  const records: CaptureLogRecord[] = [];
  const refuse = lineRefusal('ERR_INPUT_INVALID', file, 'correct or remove the line');
  const log = new LogReader(source, { signal, versioned: false });
  for await (const block of log.blocks()) for (const line of block) records.push(recordOf(line, refuse));
  if (log.incomplete !== null) onIncomplete?.(log.incomplete);
  if (records.length === 0) {
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      `${file}: no captured graph; a capture log is JSON Lines: {"key": {"tokens": 512}, "reservedBytes": 10485760, "allocatedBytes": 9437184, "seconds": 0.4}`,
      { file },
    );
  }
  return records;
}

function recordOf({ line, value }: LoggedLine, refuseLine: RefuseLine): CaptureLogRecord {
  const refuse = (field: string, expected: string, found: unknown): never => refuseLine(line, field, expected, found);
  const { key, reservedBytes, bytes, allocatedBytes = 0, seconds } = value;
  const tokens = typeof key === 'object' && key !== null ? (key as { tokens?: unknown }).tokens : key;
  if (!Number.isInteger(tokens) || (tokens as number) < 1) {
    refuse('key', 'a capture key or its tokens, a whole number of at least 1', key);
  }
  const amount = (field: string, found: unknown): number => {
    if (!(typeof found === 'number' && found >= 0 && found < Infinity)) refuse(field, 'a number, not negative', found);
    return found as number;
  };
  amount('allocatedBytes', allocatedBytes);
  return {
    tokens: tokens as number,
    reservedBytes: amount('reservedBytes', reservedBytes ?? bytes),
    seconds: amount('seconds', seconds),
  };
}
