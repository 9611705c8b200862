import { copyFileSync, cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { root } from '../support/cli.js';
import { shownLines } from '../support/doc-blocks.js';
import { loadBuild } from '../support/simulation/build.js';
import { type Campaign, campaign } from '../support/simulation/campaign.js';
import { SIMULATION_MUTATIONS } from './simulation-mutations.js';

/** Steps within which a mistake must be found. */
const MOST_STEPS = 1_000_000;

describe('one mistake in the loop of a rank', () => {
  const rows = ['| mistake | found within steps |', '|---|---|'];
  let folder: string;
  // In a hook, for what is made while tests are collected stays behind where none of them runs.
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'lockstep-simulation-'));
    symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** Simulates a copy of dist, with this text in one of its files, from seed 1 on. */
  async function simulated(name: string, steps: number, file?: string, text = ''): Promise<Campaign> {
    const copy = path.join(folder, name, 'dist');
    try {
      cpSync(path.join(root, 'dist'), copy, { recursive: true });
      // It says that these are modules, and where names that begin with # lead.
      copyFileSync(path.join(root, 'package.json'), path.join(folder, name, 'package.json'));
      if (file !== undefined) writeFileSync(path.join(copy, file), text);
      return await campaign(await loadBuild(copy), 1, { steps });
    } finally {
      rmSync(path.dirname(copy), { recursive: true, force: true });
    }
  }

  test('as they are, the files keep the laws', async () => {
    expect((await simulated('shipped', 20_000)).failure).toBeNull();
  });

  test.each(SIMULATION_MUTATIONS)('$name', async ({ name, file, find, replace }) => {
    const source = readFileSync(path.join(root, 'dist', file), 'utf8');
    expect(source.split(find)).toHaveLength(2);
    const index = SIMULATION_MUTATIONS.findIndex((each) => each.name === name);
    const { failure, steps } = await simulated(
      `${index}`,
      MOST_STEPS,
      file,
      source.replace(find, () => replace),
    );
    expect(failure, 'no law is broken').not.toBeNull();
    if (process.env.LOCKSTEP_VERBOSE) console.log(name, steps, failure?.message);
    rows.push(`| ${name} | ${10 ** Math.max(2, Math.ceil(Math.log10(steps + 1)))} |`);
  });

  test('docs/simulation.md has the table', (context) => {
    if (rows.length < 2 + SIMULATION_MUTATIONS.length) context.skip();
    expect(shownLines('docs/simulation.md', 'mutations of the simulation', rows)).toEqual(rows);
  });
});
