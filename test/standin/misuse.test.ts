import { afterAll, describe, expect, it } from 'vitest';
import { FACTOR, SEED } from '../support/property-runs.js';
import { CLEAN, expectNothingHeld, overStandin } from '../support/standin-process.js';

/** Calls of all processes together, a million of them with LOCKSTEP_RUNS=10. */
const CALLS = Math.round(100_000 * FACTOR);
/** What the only breach of a driver's rules may be: streams that a program left in a capture that it ended. */
const UNJOINED = 'cuStreamEndCapture: work of a forked stream was not joined';
/** Functions that programs reach by way of a device's objects. */
const REACHED = [
  'cuMemAlloc_v2',
  'cuMemFree_v2',
  'cuMemcpyHtoDAsync_v2',
  'cuMemcpyDtoHAsync_v2',
  'cuMemcpyDtoDAsync_v2',
  'cuLaunchKernel',
  'cuStreamWaitEvent',
  'cuEventRecord',
  'cuEventQuery',
  'cuStreamBeginCapture_v2',
  'cuStreamEndCapture',
  'cuGraphInstantiateWithFlags',
  'cuGraphLaunch',
  'cuGraphExecDestroy',
  'cuModuleLoadData',
  'cuModuleUnload',
];

/** Of all processes together. */
const total = { calls: 0, valid: 0, symbols: new Map<string, number>() };
afterAll(() => {
  const rows = [...total.symbols]
    .sort(([, one], [, other]) => other - one)
    .map(([name, times]) => `  ${name} ${times}`);
  console.log(`${total.calls} random calls, ${total.valid} valid; the driver saw\n${rows.join('\n')}`);
});

interface Counts {
  readonly calls: number;
  readonly valid: number;
  readonly refused: Readonly<Record<string, number>>;
}

describe.each([
  ['ends when all is disposed of', { threads: 0, ending: 'dispose' }, 0],
  ['exits with all that it holds, in a capture or not', { threads: 0, ending: 'exit' }, 0],
  ['throws what nobody catches', { threads: 0, ending: 'throw' }, 1],
  ['has workers that dispose of what they made', { threads: 3, ending: 'dispose' }, 0],
  ['has workers that exit', { threads: 2, ending: 'exit' }, 0],
  ['has workers that throw', { threads: 2, ending: 'throw' }, 0],
  ['terminates its workers in whatever call they are', { threads: 3, ending: 'terminate' }, 0],
] as const)('a process of random calls that %s', (_, how, status) => {
  it.each([0, 1])('gets typed errors alone, and leaves nothing in the driver (seed %d more)', (more) => {
    const calls = Math.max(200, Math.round(CALLS / 14 / Math.max(1, how.threads)));
    const job = JSON.stringify({ device: 'cuda', seed: SEED + 1000 * more, calls, ...how });
    const ended = overStandin(['test/fixtures/device/misuse.mjs', job]);
    const context = `${job}\n${ended.stderr.slice(-2000)}`;
    expect({ status: ended.status, signal: ended.signal }, context).toEqual({ status, signal: null });
    expect(ended.stdout, context).toContain('calls');
    const counts = JSON.parse(ended.stdout) as Counts;
    expect(counts.calls).toBe(calls * Math.max(1, how.threads));
    expect(counts.valid).toBeGreaterThan(counts.calls / 2);
    expect(ended.seen).toHaveLength(1);
    const [report] = ended.seen;
    expect(report, context).toMatchObject({ ...CLEAN, refused: report.refused.map(() => UNJOINED) });
    // A main thread that exits ends no wait that is under way, which holds its event and its stream's report.
    const waits: Record<string, number> =
      how.threads === 0 && how.ending !== 'dispose' ? { events: 0, hostAllocations: 0 } : {};
    expectNothingHeld({ ...report, held: { ...report.held, ...waits } });
    total.calls += counts.calls;
    total.valid += counts.valid;
    for (const [symbol, times] of Object.entries(report.calls)) {
      total.symbols.set(symbol, (total.symbols.get(symbol) ?? 0) + times);
    }
    const reached = Object.values(REACHED.map((symbol) => report.calls[symbol] ?? 0));
    expect(reached.reduce((sum, times) => sum + times, 0)).toBeGreaterThan(counts.calls / 2);
    if (calls > 5000) expect(REACHED.filter((symbol) => (report.calls[symbol] ?? 0) === 0)).toEqual([]);
  });
});
