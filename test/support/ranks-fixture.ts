import { type RankResult, type SuperviseOptions, superviseRanks } from '../../dist/ranks/index.js';

/** Long past every wait of a test that works: a rank that hangs fails its test by ERR_ABORTED, naming the rank. */
const PATIENCE_MS = 120_000;

/** Runs a scenario of test/fixtures/ranks on worker threads. */
export async function runScenario(
  ranks: number,
  scenario: string,
  data: Record<string, unknown> = {},
  options: Partial<SuperviseOptions> = {},
): Promise<RankResult[]> {
  return await superviseRanks({
    ranks,
    entry: new URL('../fixtures/ranks/rank.mjs', import.meta.url),
    workerData: () => ({ scenario, ...data }),
    signal: AbortSignal.timeout(PATIENCE_MS),
    graceMs: 10_000,
    ...options,
  });
}

export function valuesOf<T>(results: readonly RankResult[]): T[] {
  return results.map(({ value }) => value as T);
}
