import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { KernelProgram, type ThreadGrid } from '../support/kernel-program.js';
import { FACTOR } from '../support/property-runs.js';
import { CASES, differenceFrom, drawCases, missingKinds } from './cases.js';
import { Draws } from './draws.js';

const root = path.resolve(import.meta.dirname, '../..');
const seed = Number(process.env.LOCKSTEP_SEED);
const count = Math.max(200, Math.round(1000 * FACTOR));
let program: KernelProgram;

beforeAll(() => {
  program = new KernelProgram();
});
afterAll(() => program.remove());

test('every kernel of the list is in the table, with an entry point of its parameters, and has cases', () => {
  const inc = readFileSync(path.join(root, 'native/kernels/kernel-names.inc'), 'utf8');
  const names = [...inc.matchAll(/^LOCKSTEP_KERNEL\((\w+)\)$/gm)].map(([, name]) => name);
  expect(names.length).toBeGreaterThan(8);
  expect([...program.list().keys()]).toEqual(names);
  expect(Object.keys(CASES)).toEqual(names);
});

test.each(Object.keys(CASES))(
  '%s gives what a plain loop gives, as one thread and over grids in any order',
  (kernel) => {
    const cases = drawCases(kernel, count, seed);
    expect(missingKinds(kernel, cases)).toEqual([]);
    const draws = new Draws(BigInt(seed) + 1n);
    const grids = cases.map((): ThreadGrid => {
      return draws.once(3) ? null : { grid: draws.from(1, 4), block: draws.pick([1, 5, 32, 48]), seed: draws.word() };
    });
    const runs = program.cpus().flatMap((cpu) => {
      const results = program.run(
        cases.map(({ launch }, index) => [launch, grids[index] ?? null]),
        { LOCKSTEP_CPU: cpu },
      );
      return cases.map((one, index) => ({ one, index, cpu, result: results[index] }));
    });
    for (const { one, index, cpu, result } of runs) {
      if (result === undefined) throw new RangeError('a launch without a result');
      const grid = JSON.stringify(grids[index], (_, value) => (typeof value === 'bigint' ? `${value}` : value));
      expect(result.refused, `case ${index}: ${result.words}`).toBe(false);
      expect(
        differenceFrom(one, result.words, result.buffers),
        `case ${index} of seed ${seed}, grid ${grid}, on ${cpu}`,
      ).toBeNull();
      expect(result.items).toBeGreaterThanOrEqual(0n);
    }
  },
);
