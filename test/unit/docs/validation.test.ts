import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { VALIDATION, type Validation } from '../../../dist/device/index.js';
import { cli, root } from '../../support/cli.js';

/** A part's line of the page. */
function row({ backend, feature, state, by, device, driver, date }: Validation): string {
  const where = device === undefined ? '' : ` (${device}, driver ${driver}, ${date})`;
  return `| ${backend} | ${feature} | ${state}${where} | ${by} |`;
}

it('docs/validation.md says of every part what the list says, and of no other', () => {
  const page = readFileSync(path.join(root, 'docs/validation.md'), 'utf8');
  const lines = page.split('\n').filter((line) => /^\| (?:cuda|hip) \|/.test(line));
  expect(lines).toEqual(VALIDATION.map(row));
  expect(lines.length).toBeGreaterThan(5);
});

it('names a device, a driver and a day for what ran on hardware, and for nothing else', () => {
  for (const { feature, state, device, driver, date } of VALIDATION) {
    const named = [device, driver, date].filter((value) => value !== undefined);
    expect(named.length, feature).toBe(state === 'ran on hardware' ? 3 : 0);
    if (date !== undefined) expect(date).toMatch(/^20\d\d-\d\d-\d\d$/);
  }
});

it('names tests that are there', () => {
  const tests = VALIDATION.flatMap(({ by }) => by.match(/test\/\S+\.test\.ts/g) ?? []);
  expect(tests.length).toBeGreaterThan(3);
  for (const file of tests) expect(existsSync(path.join(root, file)), file).toBe(true);
});

it('doctor prints every part with its word', () => {
  const { stdout } = cli(['doctor']);
  for (const { backend, feature, state } of VALIDATION) {
    expect(stdout).toContain(`  ${backend.padEnd(8)} ${feature}: ${state}`);
  }
  expect(JSON.parse(cli(['doctor', '--json']).stdout).validation).toEqual(VALIDATION);
});
