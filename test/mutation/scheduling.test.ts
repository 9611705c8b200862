import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { root } from '../support/cli.js';

const SCHEDULER = 'workload/scheduler/rank-scheduler.js';

/** Other rules of scheduling, each put where the rule is. */
const RULES = [
  {
    name: 'requests are admitted beside a preemption',
    file: SCHEDULER,
    find: 'if (!this.#preempted)',
    replace: 'if (true)',
  },
  {
    name: 'a preempted request waits at the end',
    file: SCHEDULER,
    find: 'this.#waiting.pushFirst(request)',
    replace: 'this.#waiting.pushLast(request)',
  },
  {
    name: 'two places are left free',
    file: SCHEDULER,
    find: 'this.#running.length < maxNumSeqs',
    replace: 'this.#running.length < maxNumSeqs - 2',
  },
  {
    name: 'first chunks have eight tokens at most',
    file: SCHEDULER,
    find: 'const queryLen = Math.min(prefill - start, maxNumBatchedTokens - chunks.tokens);',
    replace: 'const queryLen = Math.min(8, prefill - start, maxNumBatchedTokens - chunks.tokens);',
  },
  {
    name: 'waiting requests weigh as much as running ones',
    file: 'workload/scheduler/rank-load.js',
    find: 'return 4 * waiting + running;',
    replace: 'return waiting + running;',
  },
] as const;

interface Logs {
  readonly simulated: readonly object[];
  readonly served: readonly object[];
}

describe('a rule of scheduling that is changed in its home', () => {
  let folder: string;
  let shipped: Logs | undefined;
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'lockstep-scheduling-'));
    copyFileSync(path.join(root, 'package.json'), path.join(folder, 'package.json'));
    symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));
    symlinkSync(path.join(root, 'prebuilds'), path.join(folder, 'prebuilds'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** The logs of a copy of the package with this text in one of its files. */
  function logs(name: string, file?: string, text = ''): Logs {
    const copy = path.join(folder, name, 'dist');
    cpSync(path.join(root, 'dist'), copy, { recursive: true });
    copyFileSync(path.join(root, 'package.json'), path.join(folder, name, 'package.json'));
    if (file !== undefined) writeFileSync(path.join(copy, file), text);
    const script = path.join(root, 'test/fixtures/service/rule-logs.mjs');
    const options = { encoding: 'utf8', maxBuffer: 1 << 28 } as const;
    const { status, stdout, stderr } = spawnSync(process.execPath, [script, copy], options);
    expect(status, stderr).toBe(0);
    rmSync(path.join(folder, name), { recursive: true });
    return JSON.parse(stdout) as Logs;
  }

  test.each(RULES)('changes the live service and the simulation alike: $name', ({ name, file, find, replace }) => {
    const source = readFileSync(path.join(root, 'dist', file), 'utf8');
    expect(source.split(find)).toHaveLength(2);
    shipped ??= logs('shipped');
    expect(shipped.served).toEqual(shipped.simulated);
    expect(shipped.simulated.length).toBeGreaterThan(50);
    const other = logs(
      `${RULES.findIndex((each) => each.name === name)}`,
      file,
      source.replace(find, () => replace),
    );
    expect(other.simulated).not.toEqual(shipped.simulated);
    expect(other.served).toEqual(other.simulated);
  });
});
