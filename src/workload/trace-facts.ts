import { checkTable, type RequestTable } from './request.js';

/** Least, median and most of some lengths in tokens. */
export interface LengthFacts {
  /** The least, in tokens. */
  readonly least: number;
  /** The median, in tokens. */
  readonly median: number;
  /** The most, in tokens. */
  readonly most: number;
}

/** What was read of a workload. */
export interface TraceFacts {
  /** Requests that were read. */
  readonly requests: number;
  /** From the first arrival to the last whose time is known beforehand. */
  readonly spanMs: number;
  /** Null where all came at once. */
  readonly requestsPerSecond: number | null;
  /** Lengths of the prompts. */
  readonly input: LengthFacts;
  /** Lengths of what was generated. */
  readonly output: LengthFacts;
  /** Requests that come after the end of another. */
  readonly followers: number;
  /** Tokens of a hash block; null where no request has any. */
  readonly hashBlockTokens: number | null;
  /** What is so unlikely that the trace was probably misread. */
  readonly warnings: readonly string[];
}

/** Beyond these a rate is taken for times of another unit: no service had as many requests a second, and one in so long needs no plan. */
const MOST_A_SECOND = 500;
const LEAST_A_SECOND = 1e-3;

/** Span, rate and lengths of a workload, with a warning where they are absurd. */
export function traceFacts(table: RequestTable): TraceFacts {
  checkTable(table);
  const { length, after } = table;
  const followers = after === null ? 0 : after.reduce((sum, before) => sum + (before < 0 ? 0 : 1), 0);
  let spanMs = 0;
  for (let id = 0; id < length; id++) {
    if (after === null || after[id] < 0) spanMs = Math.max(spanMs, table.arrivalMs[id]);
  }
  const own = length - followers;
  const requestsPerSecond = spanMs > 0 && own > 1 ? ((own - 1) * 1000) / spanMs : null;
  const warnings: string[] = [];
  if (requestsPerSecond !== null && (requestsPerSecond > MOST_A_SECOND || requestsPerSecond < LEAST_A_SECOND)) {
    const rate = Number(requestsPerSecond.toPrecision(3));
    warnings.push(`${rate} requests a second: check the unit of the times (timeUnit, --time-unit)`);
  }
  return {
    requests: length,
    spanMs,
    requestsPerSecond,
    input: lengthFacts(table.inputTokens),
    output: lengthFacts(table.outputTokens),
    followers,
    hashBlockTokens: table.hashIds.length > 0 ? table.hashBlockTokens : null,
    warnings,
  };
}

function lengthFacts(lengths: Int32Array): LengthFacts {
  const sorted = Int32Array.from(lengths).sort();
  return { least: sorted[0] ?? 0, median: sorted[sorted.length >> 1] ?? 0, most: sorted.at(-1) ?? 0 };
}
