import { describe, expect, it } from 'vitest';
import { allCommands } from '../../../dist/cli/commands.js';
import { FLAGS, withFlags } from '../../../dist/cli/flag-names.js';
import { LockstepError } from '../../../dist/errors.js';
import { percentOf } from '../../../dist/text.js';
import { cli } from '../../support/cli.js';

const FEW = ['--requests', '10'];

/** Of a report, the lines under one label. */
function labelled(report: string, label: string): string {
  const lines = report.split('\n');
  const first = lines.findIndex((line) => line.startsWith(`  ${label} `));
  const rest = lines.slice(first + 1).findIndex((line) => !line.startsWith(' '.repeat(15)));
  return first < 0
    ? ''
    : lines
        .slice(first, first + 1 + rest)
        .map((line) => line.slice(15))
        .join(' ');
}

describe('options that were left to their defaults', () => {
  const all =
    '--ranks 2 --step-time 8,0.096,0 --max-num-seqs 256 --max-num-batched-tokens 8192 --max-model-len 131072 --block-size 16 --num-blocks 131072';

  it.each(['run', 'simulate', 'plan'])('are named by %s, and those that were given are not', (command) => {
    expect(labelled(cli([command, ...FEW]).stdout, 'assumed')).toBe(all);
    const given = ['--ranks', '1', '--max-num-seqs', '8', '--step-time', '9,0.1,0'];
    const rest = '--max-num-batched-tokens 8192 --max-model-len 131072 --block-size 16 --num-blocks 131072';
    expect(labelled(cli([command, ...FEW, ...given]).stdout, 'assumed')).toBe(rest);
  });

  it.each(['run', 'simulate', 'plan'])('are not those that the engine of %s says', (command) => {
    const engine = 'vllm serve m --max-num-seqs 8 --max-model-len 4096';
    expect(labelled(cli([command, ...FEW, '--engine', engine]).stdout, 'assumed')).toBe(
      '--step-time 8,0.096,0 --max-num-batched-tokens 8192 --block-size 16 --num-blocks 131072',
    );
  });

  it('are those that matter: of an engine log, what bounds its batches', () => {
    const { stdout } = cli(['plan', 'test/fixtures/engines/sglang-batches.log', '--max-num-seqs', '1024']);
    expect(labelled(stdout, 'assumed')).toBe('--max-num-batched-tokens 8192');
  });
});

describe('times', () => {
  it('are printed by plan where a cost is known, and nowhere else; the document says which', () => {
    const text = (...args: string[]): string => cli(['plan', ...FEW, '--ubatches', '2', ...args]).stdout;
    // Capturing takes seconds, whatever a step costs.
    expect(text()).not.toMatch(/more time|lose time|time lost|slowest|\btime {5}/);
    expect(text('--cost-model', 'h100:llama-3-8b')).toMatch(/result .*more time/);
    for (const [known, args] of [
      [false, []],
      [true, ['--cost-model', 'h100:llama-3-8b']],
    ] as const) {
      const { costKnown, timeRatio } = JSON.parse(cli(['plan', ...FEW, ...args, '--json']).stdout);
      expect({ costKnown, timeRatio }).toEqual({ costKnown: known, timeRatio: expect.any(Number) });
    }
  });

  it('are printed by simulate where a cost is known', () => {
    expect(cli(['simulate', ...FEW]).stdout).not.toMatch(/more time|more cost/);
    expect(cli(['simulate', ...FEW, '--cost-model', 'h100:llama-3-8b']).stdout).toMatch(
      /padding of all ranks' tokens, [\d.]+ % more time/,
    );
  });
});

describe('a workload of which nothing fits', () => {
  it.each([
    ['simulate', ['--num-blocks', '5'], 'num-blocks'],
    ['run', ['--num-blocks', '5'], 'num-blocks'],
    ['simulate', ['--max-model-len', '64'], 'max-model-len'],
    ['plan', ['--num-blocks', '5'], 'num-blocks'],
  ])('ends with 2 and says what would admit a request: %s %j', (command, limits, option) => {
    const refused = cli([command, ...FEW, ...limits, '--json']);
    expect(refused.status).toBe(2);
    if (command !== 'plan')
      expect(JSON.parse(refused.stdout)).toMatchObject({ finished: 0, rejected: 10, requests: 10 });
    const least = Number(new RegExp(`--${option} (\\d+) would admit it`).exec(refused.stderr)?.[1]);
    // It is the least that does.
    const simulated = (value: number) => cli(['simulate', ...FEW, `--${option}`, `${value}`, '--json']);
    expect(JSON.parse(simulated(least).stdout)).toMatchObject({ finished: 1, rejected: 9 });
    expect(simulated(least).status).toBe(0);
    expect(simulated(least - 1).status).toBe(2);
  });

  it('names both limits where both are too low', () => {
    const { stderr } = cli(['simulate', ...FEW, '--num-blocks', '5', '--max-model-len', '64']);
    expect(stderr).toMatch(/--max-model-len \d+ and --num-blocks \d+ would admit it/);
  });
});

describe('padding', () => {
  it('is named by what it is a share of', () => {
    const simulated = JSON.parse(cli(['simulate', ...FEW, '--json']).stdout);
    expect(simulated.paddingRatioAll).toBeGreaterThan(simulated.paddingRatioLargest);
    const ofAll = `${percentOf(simulated.paddingRatioAll)} padding of all ranks' tokens`;
    expect(labelled(cli(['simulate', ...FEW]).stdout, 'graphs')).toContain(ofAll);
    expect(labelled(cli(['run', ...FEW]).stdout, 'graphs')).toContain(ofAll);
    const planned = cli(['plan', ...FEW, '--graphs', '4']).stdout;
    expect(labelled(planned, 'result')).toMatch(
      /^([\d.]+) % padding of the largest rank's tokens, .*([\d.]+) % padding of all ranks' tokens$/,
    );
    expect(planned).toContain("(padding: of the largest rank's tokens)");
  });
});

describe('reasons', () => {
  it('add up to the steps; decisions that no step followed come after them', () => {
    const { stdout } = cli(['simulate', ...FEW]);
    const steps = Number(/^Simulated ([\d,]+) steps/.exec(stdout)?.[1]?.replaceAll(',', ''));
    const [counted, parked] = stdout.split('  no step ') as [string, string];
    const sum = (text: string): number =>
      [...text.matchAll(/^ {4} *([\d,]+) {2}[a-z]/gm)].reduce((all, [, n]) => all + Number(n?.replaceAll(',', '')), 0);
    expect(sum(counted)).toBe(steps);
    expect(parked).toMatch(/^ +1 {2}leave /m);
  });
});

describe('messages', () => {
  it.each([
    [['run', '--max-num-seqs', '1000000'], '--max-num-seqs is 1000000; it must be an integer from 1 to 65536'],
    [['run', '--ranks', '0', '--accept-rate', '3'], '--accept-rate is 3; it must be a number from 0 to 1'],
    [['run', '--ranks', '0', '--accept-rate', '3'], '--ranks is 0; it must be an integer from 1 to 64'],
    [['run', '--timeout', '0'], '--timeout is 0; it must be'],
    [['run', '--step-time=-1,0,0'], '--step-time a is -1; it must be'],
    [['plan', '--split', '3'], '--split is 3; it must be between 0 and 1'],
    [['plan', '--graphs', '0'], '--graphs is 0; it must be'],
    [['plan', ...FEW, '--graphs', '1', '--include', '8,9'], 'No plan keeps to --graphs 1: '],
    [
      ['plan', ...FEW, '--graphs', '1', '--include', '8,9'],
      'raise --graphs, or give fewer sizes in --include, a smaller',
    ],
    [['plan', '--size-multiple', '7'], '--size-multiple is 7, and the largest decode of 256 tokens'],
    [['plan', '--include', '999'], 'a size of --include is 999'],
  ])('name flags: %j', (args, text) => {
    const { status, stderr } = cli(args);
    expect(status).toBe(2);
    expect(stderr).toContain(text);
  });

  it('name only flags that a command has', async () => {
    const flags = new Set((await allCommands()).flatMap(({ options }) => options.map(({ long }) => long)));
    const named = Object.values(FLAGS).flatMap((text) => text.match(/--[a-z-]+/g) ?? []);
    expect(named.filter((flag) => !flags.has(flag))).toEqual([]);
  });

  it('keep plain words that are no option', () => {
    const details = { options: ['ranks', 'blockSize'] };
    const message = 'ranks is 0; tokens across its ranks; kvGroups[0].blockSize is 3; blockSizes';
    expect(withFlags(new LockstepError('ERR_CONFIG_INVALID', message, details))).toBe(`--${message}`);
    expect(withFlags(new LockstepError('ERR_CONFIG_INVALID', message))).toBe(message);
  });
});
