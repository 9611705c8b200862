import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { SignOfLife } from './test/support/sign-of-life.js';

const seed = process.env.LOCKSTEP_SEED ?? String(Date.now() % 2 ** 31);

/** Folders whose tests leave nothing behind in their process, so that one process takes many of their files: that saves its start. */
const PURE = 'agreement batch capture conformance engines explain input keys metrics planner policy report workload'
  .split(' ')
  .map((room) => `unit/${room}`);

/**
 * The lanes, each a script of package.json: its folders of test/, and how many times as many random cases as their tests say
 * it takes where LOCKSTEP_RUNS says nothing. docs/build.md has their minutes. `npm test` is two of them, `test` and `pure`.
 */
const LANES = [
  { name: 'test', folders: ['unit', 'tidy', 'package'], but: PURE, runs: '0.1' },
  { name: 'pure', folders: ['property', ...PURE], isolate: false, runs: '0.1' },
  { name: 'mutation', folders: ['mutation'], runs: '1' },
  { name: 'soak', folders: ['soak'], runs: '10' },
  { name: 'standin', folders: ['standin', 'abi', 'kernels', 'ptx'], runs: '1' },
  { name: 'mpi', folders: ['mpi'], runs: '1' },
  { name: 'page', folders: ['page'], runs: '1' },
];

console.log(`property tests: seed ${seed} (LOCKSTEP_SEED=${seed} runs the same cases)`);

// Tests import the built package by its own name, so that what they exercise is what people install.
const shared = {
  pool: 'forks' as const,
  server: { deps: { external: [/\/dist\//] } },
  // These end a test that hangs, not one that is slow: of a machine under load no time is promised.
  testTimeout: 300_000,
  hookTimeout: 300_000,
  expect: { poll: { timeout: 60_000 } },
};

const filesOf = (folder: string): string => `test/${folder}/**/*.test.ts`;

export default defineConfig({
  test: {
    // One more than cores: many files wait for processes, clocks and peers. Vitest's own choice leaves a core out, which of two is half.
    maxWorkers: availableParallelism() + 1,
    reporters: [
      'default',
      ...(process.env.CI ? (['json'] as const) : []),
      ...(process.stdout.isTTY ? [] : [new SignOfLife()]),
    ],
    outputFile: { json: '.setup/vitest.json' },
    projects: LANES.map(({ name, folders, but = [], isolate = true, runs }) => ({
      test: {
        ...shared,
        name,
        isolate,
        include: folders.map(filesOf),
        exclude: but.map(filesOf),
        env: { LOCKSTEP_SEED: seed, LOCKSTEP_RUNS: process.env.LOCKSTEP_RUNS ?? runs },
      },
    })),
  },
});
