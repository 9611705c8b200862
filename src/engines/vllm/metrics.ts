import type { LogFact, LogTime } from '../log-batch.js';

/** `vllm:iteration_tokens_total_bucket{engine="0",le="8.0",model_name="m"} 120.0`, with colons or, as some collectors write it, underscores. */
const BUCKET = /\bvllm[:_]iteration_tokens_total_bucket\{([^}]{0,2048})\} ([\d.]{1,32}(?:e\+?\d{1,3})?)/i;
const LE = /\ble="([^"]{1,32})",? ?/;
/** Most sizes that a bucket's steps are spread over. */
const MOST_SIZES = 64;

/** A bucket: steps of at most so many tokens, Infinity for the last. */
interface Bucket {
  readonly most: number;
  readonly steps: number;
}

/**
 * Reads vLLM's histogram of the tokens of steps from the text of its metrics (`GET /metrics`). It says in which range a step's tokens lie, and no
 * phase: sizes within a range count alike. Counts are since the start, so that a later scrape of an engine replaces an earlier one.
 * Source: vLLM `vllm/v1/metrics/loggers.py`, `histogram_iteration_tokens`.
 */
export function vllmMetricsReader(): (line: string) => LogFact | null {
  const byEngine = new Map<string, Map<number, number>>();
  return (line) => {
    if (!line.includes('iteration_tokens_total_bucket')) return null;
    const [, labels = '', value] = BUCKET.exec(line) ?? [];
    const bound = LE.exec(labels)?.[1];
    if (bound === undefined) return null;
    const most = /^\+?inf$/i.test(bound) ? Infinity : Number(bound);
    const steps = Number(value);
    if (!(most > 0) || !Number.isSafeInteger(steps)) return null;
    const process = labels.replace(LE, '');
    const known = byEngine.get(process) ?? new Map<number, number>();
    // A count that falls is that of an engine which started anew.
    const buckets = steps < (known.get(most) ?? 0) ? new Map<number, number>() : known;
    byEngine.set(process, buckets.set(most, steps));
    const times = spread(Array.from(buckets, ([most, steps]) => ({ most, steps })));
    return times.length === 0 ? null : { kind: 'times', process, times };
  };
}

/** Steps by tokens: those of a bucket over sizes at equal distances in it, its largest among them. */
function spread(buckets: readonly Bucket[]): LogTime[] {
  const times: LogTime[] = [];
  let [least, before] = [0, 0];
  for (const { most, steps } of [...buckets].sort((a, b) => a.most - b.most)) {
    const count = steps - before;
    const top = most === Infinity ? least + 1 : Math.floor(most);
    const width = top - least;
    const sizes = Math.min(width, count, MOST_SIZES);
    for (let at = 1; at <= sizes; at++) {
      const share = Math.floor((count * at) / sizes) - Math.floor((count * (at - 1)) / sizes);
      times.push({ tokens: least + Math.ceil((width * at) / sizes), count: share, ms: null });
    }
    [least, before] = [top, Math.max(before, steps)];
  }
  return times;
}
