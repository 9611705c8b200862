import { defineConfig } from 'vitest/config';

// Tests import the built package by its own name, so that what they exercise is what people install.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    server: { deps: { external: [/\/dist\//] } },
    testTimeout: 60_000,
    reporters: process.env.CI ? ['default', 'json'] : ['default'],
    outputFile: { json: '.setup/vitest.json' },
  },
});
