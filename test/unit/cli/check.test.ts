import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { HISTORICAL } from '../../../dist/check/index.js';
import { PROPERTIES } from '../../../dist/check/properties.js';
import { policyNames } from '../../../dist/engines/policies.js';
import { cli, root } from '../../support/cli.js';

const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-check-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const file = (name: string, value: unknown): string => {
  const place = path.join(folder, name);
  writeFileSync(place, typeof value === 'string' ? value : JSON.stringify(value));
  return place;
};

describe('lockstep check', () => {
  test('--json: the keys scripts rely on, one document, progress on stderr', () => {
    const { status, stdout, stderr } = cli(['check', '--json']);
    expect(status).toBe(0);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({
      schemaVersion: 1,
      policy: 'lockstep',
      ranks: 2,
      complete: true,
      properties: [...PROPERTIES],
      violations: [],
    });
    expect(Object.keys(report)).toEqual(
      expect.arrayContaining(['policy', 'ranks', 'states', 'seconds', 'complete', 'properties', 'violations']),
    );
    expect(report.states).toBeGreaterThan(10_000);
    expect(stderr).toContain('100 %');
  });

  test('a violation: exit 1, and one trace for each property, as text and as JSON', () => {
    const { status, stdout } = cli(['check', '--policy', 'trtllm-before-14986']);
    expect(status).toBe(1);
    expect(stdout).toMatch(/^P2 +violated +no rank waits in a collective that another will never enter/m);
    expect(stdout).toMatch(/^P4 +holds /m);
    expect(stdout).toMatch(/^P2, 2 ranks\n +1 {2}capture {2}rank 0 +has no KV space for key 0/m);
    const json = cli(['check', '--policy', 'trtllm-before-14986', '--json']);
    expect(json.status).toBe(1);
    const { violations } = JSON.parse(json.stdout);
    expect(violations[0]).toMatchObject({ property: 'P2', ranks: 2 });
    expect(violations[0].trace[0]).toEqual({
      phase: 'capture',
      rank: 0,
      text: 'has no KV space for key 0 (16 tokens)',
    });
  });

  test('--replica-size: ranks that hold one batch', () => {
    const { status, stdout } = cli(['check', '--ranks', '4', '--replica-size', '2', '--json']);
    expect(status).toBe(0);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ ranks: 4, complete: true, violations: [], domain: { replicaSize: 2 } });
    const text = cli(['check', '--replica-size', '2']).stdout;
    expect(text).toMatch(/^domain +\d+ states of a replica, \d+ keys, up to 2 ranks in replicas of 2;/m);
  });

  test('--ubatches, --no-piecewise: what the standard domain has beside the policy', () => {
    const domain = (...options: string[]): Record<string, unknown> =>
      JSON.parse(cli(['check', ...options, '--json']).stdout).domain;
    const standard = domain();
    expect(standard.ubatches).toBe(2);
    expect(domain('--ubatches', '1').ubatches).toBe(1);
    expect(domain('--no-piecewise').keys).toBe((standard.keys as number) - 2);
    // What an engine without piecewise graphs of decodes does with shorter drafts.
    expect(cli(['check', '--policy', 'trtllm']).status).toBe(0);
    const uncut = cli(['check', '--policy', 'trtllm', '--no-piecewise', '--ubatches', '1', '--json']);
    expect(uncut.status).toBe(1);
    expect(JSON.parse(uncut.stdout).violations.map(({ property }: { property: string }) => property)).toEqual(['P6']);
  });

  test('a policy is explored alike under every name', () => {
    const mine = file('alike.json', { name: 'mine' });
    const { seconds: _, policy, ...named } = JSON.parse(cli(['check', '--json']).stdout);
    const { seconds: __, policy: other, ...same } = JSON.parse(cli(['check', '--policy', mine, '--json']).stdout);
    expect([policy, other]).toEqual(['lockstep', 'mine']);
    expect(same).toEqual(named);
  });

  test('what is wrong in a policy of a file is said with its name, as of no option', () => {
    const policy = { name: 'mine', split: 'foo', ubatches: 9 };
    const wrong = file('wrong.json', policy);
    const plan = file('wrong-plan.json', { schemaVersion: 1, policy, keys: [] });
    for (const [place, ...args] of [
      [wrong, 'check', '--policy', wrong],
      [wrong, 'simulate', '--policy', wrong],
      [plan, 'check', '--plan', plan],
      [plan, 'simulate', '--plan', plan],
    ] as const) {
      const { status, stdout, stderr } = cli(args);
      expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
      expect(stderr).toMatch(
        /: The policy in .* cannot work:\n {2}- ubatches is 9; it must be .*\n {2}- split is "foo"; it must be /,
      );
      expect(stderr).toContain(`The policy in ${place} cannot work`);
    }
  });

  test('--fixed: the same domain under the rule after its fix', () => {
    expect(cli(['check', '--policy', 'atom-before-1275', '--json']).status).toBe(1);
    const { status, stdout } = cli(['check', '--policy', 'atom-before-1275', '--fixed', '--json']);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ policy: 'atom', complete: true, violations: [] });
  });

  test('--list: every policy, and what the historical ones violate', () => {
    const { status, stdout } = cli(['check', '--list', '--json']);
    expect(status).toBe(0);
    const { schemaVersion, policies } = JSON.parse(stdout);
    expect(schemaVersion).toBe(1);
    expect(
      policies.map(({ name, historical, expects }: Record<string, unknown>) => [name, historical, expects]),
    ).toEqual([
      ...policyNames().map((name) => [name, false, []]),
      ...HISTORICAL.map(({ name, expects }) => [name, true, expects]),
    ]);
    const text = cli(['check', '--list']).stdout;
    for (const { name, expects } of HISTORICAL) {
      expect(text).toMatch(new RegExp(`^${name} +violates ${expects.join(', ')}: `, 'm'));
    }
  });

  test('policies by name and from a JSON file, hooks included', () => {
    expect(cli(['check', '--policy', 'atom', '--json']).status).toBe(0);
    // On one rank it is a veto of micro-batches that runs the plain twins.
    expect(cli(['check', '--policy', 'atom', '--ranks', '1']).status).toBe(0);
    const { policy } = HISTORICAL[1];
    const mine = file('mine.json', { ...policy, name: 'mine', ubatches: 2 });
    const { status, stdout } = cli(['check', '--policy', mine, '--json']);
    expect(status).toBe(1);
    const report = JSON.parse(stdout);
    expect(report.policy).toBe('mine');
    expect(report.violations.map(({ property }: { property: string }) => property)).toEqual(['P1', 'P5']);
    const hysteresis = file('hysteresis.json', { ubatches: 2, ubatchHysteresis: 4 });
    expect(JSON.parse(cli(['check', '--policy', hysteresis, '--json']).stdout).domain.hysteresis).toBe(true);
  });

  test('--plan: a plan that a run captured, with its policy', () => {
    const plan = path.join(folder, 'plan.json');
    const options = ['--requests', '3', '--max-num-seqs', '16', '--ubatches', '2', '--ubatch-threshold-decode', '8'];
    expect(cli(['run', ...options, '--plan-out', plan, '--json']).status).toBe(0);
    const { keys } = JSON.parse(readFileSync(plan, 'utf8'));
    const { status, stdout } = cli(['check', '--ranks', '2', '--plan', plan, '--json']);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ complete: true, violations: [], domain: { keys: keys.length } });
    // The same plan under a rule that never cuts has graphs that nothing runs, and under another number of parts it is none.
    const never = cli(['check', '--plan', plan, '--policy', file('three.json', { ubatches: 3 })]);
    expect(never.status).toBe(2);
    expect(never.stderr).toContain("parts is 2; it must be 1, or the policy's ubatches (3)");
    const limited = JSON.parse(cli(['check', '--plan', plan, '--max-num-seqs', '4', '--json']).stdout);
    expect(limited.domain.maxNumSeqs).toBe(4);
    expect(limited.violations.map(({ property }: { property: string }) => property)).toEqual(['P10']);
  });

  test('--plan: the policy in a plan may name a former rule, which only the checker explores', () => {
    const counts = { tokens: 4, prefillRequests: 0, decodeRequests: 4, queryLen: 1, maxQueryLen: 1, parts: 1 };
    const key = { mode: 'full', ...counts, variant: 0, collectives: 0 };
    const policy = { name: 'mine', prepare: 'local' };
    const plan = file('former.json', { schemaVersion: 1, policy, keys: [key] });
    const { status, stdout } = cli(['check', '--plan', plan, '--json']);
    expect(status).toBe(1);
    expect(JSON.parse(stdout).violations.map(({ property }: { property: string }) => property)).toEqual(['P1', 'P5']);
    const refused = cli(['simulate', '--plan', plan, '--requests', '2', '--json']);
    expect(refused.status).toBe(2);
    expect(refused.stderr).toContain('only `lockstep check` explores');
  });

  const unknown = { schemaVersion: 1, policy: {}, keys: [{ colour: 3 }] };
  test.each([
    [['--ranks', '0'], 'at least one rank'],
    [['--ranks', '9'], 'ranks is 9; it must be an integer from 1 to 8'],
    [['--ranks', '1.5'], 'ranks'],
    [['--policy', 'nope'], 'No policy is called'],
    [['--policy', file('typo.json', { ubatch: 2 })], 'policy has no ubatch'],
    [['--policy', file('text.json', 'nonsense')], 'is not JSON'],
    [['--plan', path.join(folder, 'none.json')], 'cannot be read'],
    [['--plan', file('colour.json', unknown)], 'keys[0] lacks mode'],
    [['--fixed'], '--fixed goes with a historical policy'],
    [['--policy', 'atom', '--fixed'], '--fixed goes with a historical policy'],
    [['--max-num-seqs', '4'], '--max-num-seqs and --max-num-batched-tokens go with --plan'],
    [['--ranks', '4', '--replica-size', '3'], 'replicaSize is 3; it must divide ranks (4)'],
    [['--ubatches', '5'], 'ubatches is 5'],
    [['--policy', 'atom-before-1120', '--ubatches', '2'], '--ubatches and --no-piecewise go with the standard domain'],
    [['--colour'], 'unknown option'],
  ])('%j exits 2', (options, message) => {
    const { status, stdout, stderr } = cli(['check', ...options]);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain(message);
  });

  test('a key with a name of its own is no key', () => {
    const plan = path.join(folder, 'whole.json');
    cli(['run', '--requests', '2', '--max-num-seqs', '4', '--plan-out', plan, '--json']);
    const whole = JSON.parse(readFileSync(plan, 'utf8'));
    whole.keys[0].colour = 3;
    const { status, stderr } = cli(['check', '--plan', file('coloured.json', whole)]);
    expect(status).toBe(2);
    expect(stderr).toContain('keys[0] has no colour');
  });
});

test.skipIf(process.platform === 'win32').each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s: exit %i, with what was explored', async (signal, code) => {
  const args = [path.join(root, 'dist/cli/main.js'), 'check', '--ranks', '8', '--json'];
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  try {
    let stdout = '';
    child.stdout.on('data', (text) => {
      stdout += text;
    });
    await once(child.stderr, 'data');
    child.kill(signal);
    expect(await once(child, 'close')).toEqual([code, null]);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ schemaVersion: 1, ranks: 8, complete: false });
    expect(report.violations).toEqual([]);
  } finally {
    child.kill('SIGKILL');
  }
});
