import { defineConfig } from 'vitest/config';

const seed = process.env.LOCKSTEP_SEED ?? String(Date.now() % 2 ** 31);
console.log(`property tests: seed ${seed} (LOCKSTEP_SEED=${seed} runs the same cases)`);

// Tests import the built package by its own name, so that what they exercise is what people install.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    env: { LOCKSTEP_SEED: seed },
    server: { deps: { external: [/\/dist\//] } },
    testTimeout: 60_000,
    reporters: process.env.CI ? ['default', 'json'] : ['default'],
    outputFile: { json: '.setup/vitest.json' },
  },
});
