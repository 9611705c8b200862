import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as capture from '../../../dist/entry/capture.js';
import * as check from '../../../dist/entry/check.js';
import * as checkpoint from '../../../dist/entry/checkpoint.js';
import * as decoder from '../../../dist/entry/decoder.js';
import * as engines from '../../../dist/entry/engines.js';
import * as metrics from '../../../dist/entry/metrics.js';
import * as native from '../../../dist/entry/native.js';
import * as planner from '../../../dist/entry/planner.js';
import * as run from '../../../dist/entry/run.js';
import * as service from '../../../dist/entry/service.js';
import * as workload from '../../../dist/entry/workload.js';
import * as index from '../../../dist/index.js';
import { runs } from '../../support/property-runs.js';

const ENTRIES = {
  index,
  capture,
  check,
  checkpoint,
  decoder,
  engines,
  metrics,
  native,
  planner,
  run,
  service,
  workload,
};

/**
 * Calls that do their work without arguments, and take long or reach outside the process: an MPI launcher, a port, all vectors; and the
 * error itself.
 */
const WITHOUT_ARGUMENTS = ['joinMpi', 'startServer', 'runConformance', 'LockstepError'];

type Call = (...given: unknown[]) => unknown;

/** Every function and class of every entry, once. */
const CALLS = Object.entries(ENTRIES).flatMap(([entry, names]) =>
  Object.entries(names)
    .filter(([name, value]) => typeof value === 'function' && !WITHOUT_ARGUMENTS.includes(name))
    .map(([name, value]) => [`${entry} ${name}`, callOf(value as Call)] as const),
);

/** What no call takes: each one by itself, and then drawn ones. */
const JUNK: readonly unknown[] = [
  ...[undefined, null, {}, [], 1, -1, 1.5, Number.NaN, Infinity, 2n, 'x', '', true, Symbol('junk'), () => 1],
  ...[{ nonsense: 1 }, [{}], [null], ['x'], [1, 2], new Map(), new Set([1]), new Date(0), /x/, new Float64Array(2)],
  ...[Object.create(null), new URL('file:///nowhere'), new ArrayBuffer(4), Object.freeze({ length: 3 })],
];

const drawn = fc.oneof(
  fc.constantFrom(...JUNK),
  fc.anything({ maxDepth: 2, withNullPrototype: true, withBigInt: true, withTypedArray: true }),
);

let folder: string;
const before = process.cwd();
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'lockstep-junk-'));
  process.chdir(folder);
});
afterAll(() => {
  process.chdir(before);
  rmSync(folder, { recursive: true });
});

describe('every public call, given what it does not take, throws LockstepError alone', () => {
  test.each(CALLS)('%s', async (_, call) => {
    for (const first of JUNK) {
      for (const second of [undefined, null, {}, 1, [{}]]) await refuses(call, [first, second]);
    }
    await fc.assert(
      fc.asyncProperty(fc.array(drawn, { maxLength: 3 }), (given) => refuses(call, given)),
      runs(300),
    );
    // Nothing was half done.
    expect(readdirSync(folder)).toEqual([]);
  });
});

/** Lets a call have its arguments, and what it gives begin its work and end. */
async function refuses(call: Call, given: readonly unknown[]): Promise<void> {
  try {
    const result = (await call(...given)) as {
      next?: () => unknown;
      dispose?: () => unknown;
      [Symbol.asyncDispose]?: () => unknown;
    } | null;
    if (typeof result !== 'object' || result === null) return;
    if (typeof result.next === 'function') await result.next();
    if (typeof result.dispose === 'function') await result.dispose();
    else if (typeof result[Symbol.asyncDispose] === 'function') await result[Symbol.asyncDispose]?.();
  } catch (error) {
    if (error instanceof planner.LockstepError) return;
    expect({ given: fc.stringify(given), error: String((error as Error)?.stack ?? error) }).toBe('a LockstepError');
  }
}

/** A class is called with `new`. */
function callOf(value: Call): Call {
  if (!/^class\b/.test(Function.prototype.toString.call(value))) return value;
  return (...given) => Reflect.construct(value, given);
}
