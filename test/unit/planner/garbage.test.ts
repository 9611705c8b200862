import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { expect, test } from 'vitest';
import { root } from '../../support/cli.js';

test('no kind of step leaves garbage on the JavaScript heap', () => {
  const script = path.join(root, 'test/fixtures/planner/garbage.mjs');
  const flags = ['--expose-gc', '--min-semi-space-size=64', '--max-semi-space-size=64'];
  const { stdout, stderr } = spawnSync(process.execPath, [...flags, script], { encoding: 'utf8' });
  expect(stderr).toBe('');
  const bytes = JSON.parse(stdout) as Record<string, number>;
  const kinds = ['step-append-256', 'churn-256', 'churn-prefill-256', 'spec-256', 'each', 'one by one, with ids'];
  expect(Object.keys(bytes)).toEqual(kinds);
  // To ask for the heap's size takes a few hundred bytes a round, which are 200 steps.
  for (const [kind, each] of Object.entries(bytes)) expect(each, kind).toBeLessThan(24);
}, 120_000);
