import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CASES } from '../kernels/cases.js';
import { KernelProgram } from '../support/kernel-program.js';
import { FACTOR } from '../support/property-runs.js';
import { comparePtx } from './compare.js';
import { builtPtx, kernelOf } from './launch.js';

const seed = Number(process.env.LOCKSTEP_SEED);
const count = Math.max(200, Math.round(200 * FACTOR));
let program: KernelProgram;
let kinds: Map<string, string>;

beforeAll(() => {
  program = new KernelProgram();
  kinds = program.list();
});
afterAll(() => program.remove());

describe.each(['lockstep.ptx', 'lockstep-old.ptx'])('%s', (file) => {
  const module = builtPtx(file);

  test('holds the kernels of the list and no other', () => {
    expect([...module.entries.keys()].sort()).toEqual([...kinds.keys()].map((name) => `lockstep_${name}`).sort());
    expect(Object.keys(CASES).sort()).toEqual([...kinds.keys()].sort());
    expect(module.target).toBe('sm_80');
  });

  test.each(Object.keys(CASES))('%s takes its arguments as buffers with their bytes, scalars, and a report', (name) => {
    const widths = [...(kinds.get(name) ?? '')].flatMap((kind) => (kind === 'b' ? [8, 8] : [kind === 'i' ? 4 : 8]));
    const entry = module.entries.get(`lockstep_${name}`);
    expect(entry?.parameters.map(({ bytes }) => bytes)).toEqual([...widths, 8]);
  });

  test.each(Object.keys(CASES))('%s gives what a plain loop gives', (name) => {
    const kernel = kernelOf(module, name);
    const { differences, missing } = comparePtx(program, kernel, name, kinds.get(name) ?? '', count, seed);
    expect(missing).toEqual([]);
    expect(differences).toEqual([]);
    expect(kernel.executed).toBeGreaterThan(count * 10);
  });
});
