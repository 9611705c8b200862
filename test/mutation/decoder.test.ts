import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LOCKSTEP_POLICY, piecewiseKey } from '../../dist/entry/planner.js';
import { writePlanFile } from '../../dist/formats/index.js';
import { root } from '../support/cli.js';
import { DECODER_MUTATIONS } from './decoder-mutations.js';

const small = ['--max-num-seqs', '8', '--max-num-batched-tokens', '64', '--block-size', '8', '--max-model-len', '200'];
const load = ['--requests', '24', '--prompt-scale', '0.02', '--speed', '40', '--json', ...small];
const cut = ['--ubatches', '2', '--ubatch-threshold-decode', '3', '--ubatch-threshold-prefill', '12'];
const graphs = ['--ladder', '1,2,4,8'];

/** Command lines of `run` that a mistake must change: one is enough. */
const RUNS: readonly (readonly string[])[] = [
  ['--model', 'random:moe', '--ranks', '2', ...graphs, ...cut],
  ['--model', 'random:dense', '--ranks', '2', '--tensor-parallel-size', '2', '--query-len', '3', ...graphs],
  ['--model', 'random:dense', '--ranks', '2', '--async', '--query-len', '3', ...graphs, ...cut],
  ['--model', 'random:dense', '--ranks', '2', '--async', '--query-len', '3', '--temperature', '1', ...graphs, ...cut],
  ['--model', 'random:dense', '--ranks', '1', '--plan', '../pieces.json', '--num-blocks', '80'],
];

describe('one mistake between a plan and a model', () => {
  let folder: string;
  beforeAll(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'lockstep-decoder-'));
    const plan = { keys: [piecewiseKey(8), piecewiseKey(64)] };
    await writePlanFile(path.join(folder, 'pieces.json'), LOCKSTEP_POLICY, plan);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** A copy of the package with this text in one of its files. */
  function packageWith(name: string, file?: string, text = ''): string {
    const place = path.join(folder, name);
    cpSync(path.join(root, 'dist'), path.join(place, 'dist'), { recursive: true });
    copyFileSync(path.join(root, 'package.json'), path.join(place, 'package.json'));
    for (const each of ['node_modules', 'prebuilds']) symlinkSync(path.join(root, each), path.join(place, each));
    if (file !== undefined) writeFileSync(path.join(place, 'dist', file), text);
    return place;
  }

  /** What is wrong with a run, or null. */
  function fault(place: string, args: readonly string[]): string | null {
    const command = ['dist/cli/main.js', 'run', ...load, ...args];
    const { status, stdout, stderr } = spawnSync(process.execPath, command, { cwd: place, encoding: 'utf8' });
    if (status === 0) return null;
    if (stdout === '') return /\[ERR_\w+\]/.exec(stderr)?.[0] ?? `an error without a code: ${stderr.slice(-500)}`;
    const { mismatches, diverged } = JSON.parse(stdout);
    return `${mismatches} mismatches, ${diverged} diverged`;
  }

  function groupFault(place: string): string | null {
    const script = path.join(root, 'test/fixtures/decoder/groups.mjs');
    const { status, stdout, stderr } = spawnSync(process.execPath, [script, path.join(place, 'dist')], {
      cwd: place,
      encoding: 'utf8',
    });
    if (status !== 0) return /ERR_\w+/.exec(stderr)?.[0] ?? stderr.slice(-500);
    return JSON.parse(stdout).same ? null : 'other logits';
  }

  test('as they are, the files compute the same tokens in all modes', () => {
    const place = packageWith('shipped');
    expect(RUNS.map((args) => fault(place, args))).toEqual(RUNS.map(() => null));
    expect(groupFault(place)).toBeNull();
  });

  test.each(DECODER_MUTATIONS)('$name', ({ name, file, find, replace }) => {
    const source = readFileSync(path.join(root, 'dist', file), 'utf8');
    expect(source.split(find)).toHaveLength(2);
    const index = DECODER_MUTATIONS.findIndex((each) => each.name === name);
    const place = packageWith(
      `${index}`,
      file,
      source.replace(find, () => replace),
    );
    let found: string | null = null;
    for (const args of RUNS) found ??= fault(place, args);
    found ??= groupFault(place);
    expect(found, 'nothing is other').not.toBeNull();
    expect(found).toMatch(/mismatches|other logits|ERR_/);
    if (process.env.LOCKSTEP_VERBOSE) console.log(name, found);
  });
});
