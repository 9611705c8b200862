import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { cli } from '../../support/cli.js';

const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-replay-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const place = (name: string): string => path.join(folder, name);
const json = ({ stdout }: { stdout: string }): Record<string, unknown> => JSON.parse(stdout) as Record<string, unknown>;
const small = ['--ranks', '2', '--requests', '12', '--seed', '4'];

describe('lockstep replay', () => {
  it('derives what a run recorded again, and finds that nobody left first', () => {
    const records = place('records');
    const log = place('run.jsonl');
    const ran = cli(['run', ...small, '--record', records, '--step-log', log, '--json']);
    expect(ran.status).toBe(0);
    const { steps } = json(ran) as { steps: number };
    const replayed = cli(['replay', records, '--json']);
    expect([replayed.status, replayed.stderr]).toEqual([0, '']);
    const found = json(replayed) as { derived: { derived: number; differing: unknown[] }[] };
    expect(found).toMatchObject({
      kind: 'recordings',
      ranks: 2,
      missing: [],
      difference: null,
      first: null,
      culprits: [],
    });
    for (const each of found.derived) {
      expect(each.derived).toBeGreaterThan(Math.min(steps, 1000) - 1);
      expect(each.differing).toEqual([]);
    }
    expect(cli(['replay', path.join(records, 'rank-1.rec')]).stdout).toMatch(
      /^1 of 2 ranks recorded, .*\n.*\n +missing +rank 0/,
    );

    for (const [flags, named] of [
      [['--policy', 'nope'], '--policy'],
      [['--engine=vllm-v1', '--no-twins'], '--no-twins, --engine'],
    ] as const) {
      for (const paths of [[records], [path.join(records, 'rank-0.rec')]]) {
        const { status, stdout, stderr } = cli(['replay', ...paths, ...flags]);
        expect([status, stdout]).toEqual([2, '']);
        expect(stderr).toContain(`${named}: recordings hold how their steps were decided`);
      }
    }
    const config = place('config.json');
    writeFileSync(config, JSON.stringify({ common: { maxNumSeqs: 8 }, replay: { ladder: [1, 2] } }));
    expect(cli(['replay', records, '--config', config]).status).toBe(0);

    const again = cli(['replay', log, '--json']);
    expect(again.status).toBe(0);
    expect(json(again)).toMatchObject({ kind: 'step-log', ranks: 2, steps, different: 0, policy: 'lockstep' });
    const other = cli(['replay', log, '--ladder', '1,4', '--json']);
    expect(other.status).toBe(1);
    expect(json(other)).toMatchObject({ first: { differs: { paddedTokens: expect.anything() } } });
    expect(cli(['replay', log, '--ladder', '1,4']).stdout).toContain('decisions differ');

    const rows = (...args: string[]): Record<string, unknown>[] =>
      cli(['replay', ...args, '--output', 'ndjson'])
        .stdout.trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
    expect(rows(records).map(({ rank, derived, differing }) => ({ rank, derived, differing }))).toEqual(
      found.derived.map(({ derived }, rank) => ({ rank, derived, differing: 0 })),
    );
    const { reasons } = json(again) as { reasons: Record<string, number> };
    const counted = (list: Record<string, unknown>[]) =>
      Object.fromEntries(list.map(({ reason, decisions }) => [reason, decisions]));
    expect(counted(rows(log))).toEqual(reasons);
    const sides = rows(log, '--engine', 'vllm-v1');
    expect(new Set(sides.map(({ rules }) => rules))).toEqual(new Set(['engine', 'lockstep']));
  });

  it('leaves out what is no regular file in a folder', () => {
    const records = place('odd');
    expect(cli(['run', ...small, '--requests', '3', '--record', records]).status).toBe(0);
    spawnSync('mkfifo', [path.join(records, 'rank-2.rec')]);
    symlinkSync('/dev/zero', path.join(records, 'rank-3.rec'));
    const { status, stdout, stderr } = cli(['replay', records]);
    expect([status, stdout]).toEqual([0, expect.stringMatching(/^2 of 2 ranks recorded/)]);
    expect(stderr.match(/^left out: .*rank-[23]\.rec.* no regular file$/gm)).toHaveLength(2);
  });

  it('derives the decisions of the other ranks where what one says of its limits or graphs is damaged', () => {
    const records = place('damaged');
    expect(cli(['run', ...small, '--requests', '3', '--record', records]).status).toBe(0);
    const file = path.join(records, 'rank-1.rec');
    const sound = readFileSync(file);
    for (const name of ['maxModelLen', '"tokens"', '"tokens":1,']) {
      const bytes = Buffer.from(sound);
      bytes[bytes.indexOf(name) + name.length - 2] ^= 1;
      writeFileSync(file, bytes);
      const { status, stdout, stderr } = cli(['replay', records, '--json']);
      expect([status, stderr]).toEqual([
        0,
        expect.stringMatching(/^no decision derived again: .*rank-1\.rec: .* is damaged: /),
      ]);
      const { last, derived } = JSON.parse(stdout) as {
        last: unknown[];
        derived: { derived: number; skipped: number }[];
      };
      expect(last).toHaveLength(2);
      expect(derived[0]?.derived).toBeGreaterThan(3);
      expect(derived[1]).toMatchObject({ derived: 0, skipped: derived[0]?.derived });
    }
  });

  it('reads a log from standard input', () => {
    const line =
      '{"step":7,"rows":[{"tokens":3,"prefillRequests":0,"decodeRequests":3}],"decision":{"run":"full","paddedTokens":4}}\n';
    const found = cli(['replay', '-', '--ladder', '4', '--json'], line);
    expect(found.status).toBe(0);
    expect(json(found)).toMatchObject({ lines: 1, compared: 1, different: 0, complete: null });
  });

  it('says what it cannot read, and exits 2', () => {
    const text = place('trace.csv');
    writeFileSync(text, 'TIMESTAMP,ContextTokens,GeneratedTokens\n');
    for (const [args, message] of [
      [[place('absent')], 'cannot be read'],
      [[folder], 'no file rank-N.rec'],
      [[text], 'one JSON object'],
      [[text, text], 'Give recordings, all of one run, or one log'],
      [[], 'missing required argument'],
    ] as const) {
      const { status, stderr } = cli(['replay', ...args]);
      expect([status, stderr]).toEqual([2, expect.stringContaining(message)]);
    }
  });
});
