import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { EAGER_REASONS, type ReasonCode, VOTE_WORDS } from '../../../dist/entry/planner.js';
import type { StepLogLine } from '../../../dist/entry/run.js';
import { cli, interruptCli } from '../../support/cli.js';
import { completeLog } from '../../support/logs.js';

const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-simulate-'));
afterAll(() => rmSync(folder, { recursive: true }));

const KEYS = 'steps graphSteps eagerSteps reasons paddingRatio timeRatio stepsPerSecond'.split(' ');

describe('lockstep simulate', () => {
  it('prints one JSON document with the keys scripts rely on, and nothing else on stdout', () => {
    const { status, stdout } = cli(['simulate', '--requests', '30', '--ranks', '3', '--json']);
    expect(status).toBe(0);
    const summary = JSON.parse(stdout);
    expect(Object.keys(summary)).toEqual(expect.arrayContaining(['schemaVersion', ...KEYS]));
    expect(summary).toMatchObject({ schemaVersion: 1, ranks: 3, requests: 30, finished: 30, interrupted: false });
    expect(summary.graphSteps + summary.eagerSteps).toBe(summary.steps);
    const reasons = Object.entries(summary.reasons) as [ReasonCode, number][];
    const eager = reasons.filter(([reason]) => EAGER_REASONS.includes(reason));
    expect(eager.reduce((sum, [, count]) => sum + count, 0)).toBe(summary.eagerSteps);
  });

  it('counts what lockstep run counts with the same options, drafts and micro-batches too', () => {
    const options = ['--requests', '25', '--seed', '7', '--query-len', '3', '--accept-rate', '0.6', '--speed', '9'];
    const more = ['--ubatches', '2', '--ubatch-threshold-decode', '9', '--step-time', '5,0.1,0.001', '--ranks', '2'];
    const [run, simulated] = ['run', 'simulate'].map((name) => {
      const { status, stdout, stderr } = cli([name, ...options, ...more, '--json']);
      expect(status, stderr).toBe(0);
      const { steps, reasons, paddingRatio, twinSteps, ubatchedSteps, idleRankSteps, simulatedSeconds } =
        JSON.parse(stdout);
      return { steps, reasons, paddingRatio, twinSteps, ubatchedSteps, idleRankSteps, simulatedSeconds };
    });
    expect(simulated).toEqual(run);
    expect(simulated?.ubatchedSteps).toBeGreaterThan(0);
  });

  it('prints counts, reasons and padding that people can read', () => {
    const { status, stdout } = cli(['simulate', '--requests', '10', '--ranks', '1', '--ladder', '1,2,4,8']);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^Simulated \d+ steps on 1 rank .* steps a second$/m);
    expect(stdout).toMatch(/ \d{1,3},\d{3} computed, \d{1,3},\d{3} generated/);
    expect(stdout).toMatch(/graphs +[\d,]+ steps \(.*\) on 4 graphs, [\d.]+ % padding of all ranks' tokens$/m);
    expect(stdout).toMatch(/\d {2}no-key-for-phase +eager: /);
  });

  it('runs the plan that lockstep run has written', () => {
    const plan = path.join(folder, 'plan.json');
    const common = ['--requests', '12', '--ranks', '1', '--ubatches', '2', '--ladder', '2,4,8,16', '--json'];
    const run = cli(['run', ...common, '--ubatch-threshold-decode', '4', '--query-len', '2', '--plan-out', plan]);
    expect(run.status, run.stderr).toBe(0);
    const simulated = cli(['simulate', '--requests', '12', '--ranks', '1', '--plan', plan, '--json']);
    expect(simulated.status, simulated.stderr).toBe(0);
    expect(JSON.parse(simulated.stdout).reasons).toEqual(JSON.parse(run.stdout).reasons);
  });

  it('writes every step with votes by their names and the decision', () => {
    const steps = path.join(folder, 'steps.jsonl');
    const { status, stdout } = cli(['simulate', '--requests', '8', '--ranks', '2', '--steps-out', steps, '--json']);
    expect(status).toBe(0);
    const lines = completeLog<StepLogLine>(steps);
    const summary = JSON.parse(stdout);
    const parked = (summary.reasons['all-idle'] ?? 0) + summary.reasons.leave;
    expect(lines.length).toBe(summary.steps + parked);
    const words = VOTE_WORDS.filter((name) => !/^(reserved|decisionHash$|seal$)/.test(name));
    for (const [step, line] of lines.entries()) {
      expect(Object.keys(line)).toEqual(['schemaVersion', 'step', 'rows', 'decision']);
      expect([line.step, line.decision.step, ...line.rows.map((row: { step: number }) => row.step)]).toEqual(
        Array.from({ length: 4 }, () => step),
      );
      for (const row of line.rows) expect(Object.keys(row)).toEqual(words);
    }
    const counted: Record<string, number> = {};
    for (const { decision } of lines) counted[decision.reason] = (counted[decision.reason] ?? 0) + 1;
    expect(counted).toEqual(summary.reasons);
  });

  it.each<[string, string[], RegExp]>([
    ['an option of another command', ['--device', 'host'], /unknown option '--device'/],
    [
      'several numbers that cannot work, all at once',
      ['--ranks', '0', '--block-size', '0', '--ubatches', '7'],
      /--block-size[\s\S]*--ubatches[\s\S]*--ranks/,
    ],
    ['a trace that is not there', ['--trace', '/nowhere/trace.csv'], /\/nowhere\/trace\.csv/],
    ['no requests', ['--requests', '0'], /at least 1/],
    [
      'a log that cannot be opened',
      ['--steps-out', '/nowhere/steps.jsonl'],
      /\/nowhere\/steps\.jsonl cannot be written/,
    ],
    ['a log that cannot be written', ['--steps-out', '/dev/full'], /\/dev\/full cannot be written/],
  ])('refuses %s with exit 2', (_what, args, message) => {
    const { status, stdout, stderr } = cli(['simulate', '--requests', '5', ...args]);
    expect(stderr).toMatch(message);
    expect(status).toBe(2);
    expect(stdout).toBe('');
  });

  it('on SIGINT sums up what was done, leaves whole lines in the log and exits 130', async () => {
    const steps = path.join(folder, 'interrupted.jsonl');
    const args = ['simulate', '--requests', '3000000', '--json', '--steps-out', steps];
    const { status, stdout, seconds } = await interruptCli(args, 'SIGINT', false);
    expect(status).toBe(130);
    const summary = JSON.parse(stdout);
    expect(summary).toMatchObject({ interrupted: true });
    const lines = completeLog<StepLogLine>(steps);
    expect(lines.length).toBe(summary.steps + (summary.reasons['all-idle'] ?? 0));
    expect(lines.at(-1)?.step).toBe(lines.length - 1);
    expect(seconds).toBeLessThan(20);
  });
});
