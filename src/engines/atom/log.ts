import type { LogLineReader } from '../log-batch.js';

/** ATOM logs its prefills, and its decodes where the line in its source is switched on. Older versions have no `new`. */
const BATCH = /\bScheduled (prefill|decode) batch: (\d+) reqs, (\d+) (?:new )?tokens\b/;

/** ATOM's lines about batches. Source: ATOM `Scheduler.schedule`. */
export function atomLogReader(): LogLineReader {
  return (line) => {
    if (!line.includes('Scheduled ')) return null;
    const [, kind, requests, tokens] = BATCH.exec(line) ?? [];
    if (kind === undefined || Number(requests) < 1 || Number(tokens) < Number(requests)) return null;
    const phase = kind === 'decode' ? 'decode' : 'prefill';
    return { kind: 'batch', batch: { phase, tokens: Number(tokens), requests: Number(requests), count: 1 } };
  };
}
