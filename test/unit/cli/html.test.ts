import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseHTML } from 'linkedom';
import { afterAll, describe, expect, it } from 'vitest';
import { bytesOf, grouped, percentOf } from '../../../dist/text.js';
import { cli } from '../../support/cli.js';

const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-html-'));
afterAll(() => rmSync(folder, { recursive: true }));

const file = (name: string): string => path.join(folder, name);

interface Page {
  readonly document: Document;
  /** Facts by their name. */
  readonly facts: Readonly<Record<string, string>>;
  /** Rows of the tables by the label of their place, each as text. */
  readonly table: (title: string) => string[][];
  // biome-ignore lint/suspicious/noExplicitAny: documents of seven commands
  readonly json: any;
}

/** Runs a command with `--json` and `--html` and reads both. */
function page(args: readonly string[], status = 0): Page {
  const html = file('page.html');
  const found = cli([...args, '--json', '--html', html]);
  expect(found.status, found.stderr).toBe(status);
  const { document } = parseHTML(readFileSync(html, 'utf8')) as unknown as { document: Document };
  const facts = Object.fromEntries(
    [...document.querySelectorAll('.facts div')].map((fact) => [
      fact.querySelector('dt')?.textContent ?? '',
      fact.querySelector('dd')?.firstChild?.textContent ?? '',
    ]),
  );
  const table = (title: string): string[][] =>
    [...document.querySelectorAll(`[aria-label="Table: ${title}"] tbody tr`)].map((row) =>
      [...row.children].map(({ textContent }) => textContent ?? ''),
    );
  return { document, facts, table, json: JSON.parse(found.stdout) };
}

/** The number that a cell says, thousands separated. */
const numberOf = (text: string): number => Number(text.replaceAll(',', ''));

describe('the page of each command has the numbers of its --json', () => {
  it('plan', () => {
    const { facts, table, json, document } = page(['plan', '--requests', '60', '--cost-model', 'h100:llama-3-8b']);
    expect(facts.Graphs).toBe(grouped(json.graphs));
    // Steps with a prefill are among those counted.
    const counted = document.querySelector('.facts div:last-child')?.textContent ?? '';
    expect(counted).toContain(`Steps counted${grouped(json.steps)}`);
    expect(counted).toMatch(`${grouped(json.unplannedSteps)} of them with a prefill: no graph is planned for those`);
    expect(json.steps - json.unplannedSteps).toBe(
      Object.values(json.histogram.decode as Record<string, number>).reduce((sum, steps) => sum + steps),
    );
    expect(facts['Eager steps']).toBe(grouped(json.eagerSteps));
    expect(facts['Time lost']).toBe(percentOf(json.timeRatio));
    const text = document.querySelector('pre')?.textContent ?? '';
    expect(text).toContain(`${bytesOf(json.graphBytes)}, `);
    expect(text).toContain(`${facts['Time lost']} more time`);
    const sizes = table('Step sizes and ladders');
    const decode = json.histogram.decode as Record<string, number>;
    expect(sizes.map(([tokens, steps]) => [tokens, numberOf(steps)])).toEqual(Object.entries(decode));
    for (const [tokens, , , ours] of sizes) {
      const size = json.ladders.decode.find((one: number) => one >= Number(tokens));
      expect(ours).toBe(size === undefined ? 'eager' : `${size}`);
    }
    const losses = table('Graphs against loss');
    for (const { engine, graphs, eagerSteps } of json.engines) {
      const row = losses.find(([name]) => name === engine);
      expect([row?.[1], row?.[4]]).toEqual([grouped(graphs), grouped(eagerSteps)]);
    }
    expect(
      table('Cost staircase')
        .filter(([, size]) => size !== 'eager')
        .map(([, size]) => numberOf(size)),
    ).toEqual(json.ladders.decode);
    expect(table('Flags').map(([engine, flags]) => [engine, flags])).toEqual(Object.entries(json.emit));
    expect(JSON.parse(document.getElementById('report')?.textContent ?? '').curve).toEqual(json.curve);
  });

  it('simulate, whose output does not depend on it', () => {
    const args = ['simulate', '--requests', '80', '--ranks', '3'];
    const { facts, table, json } = page(args);
    expect(facts.Steps).toBe(grouped(json.steps));
    expect(numberOf(facts['Tokens computed'])).toBe(json.tokens);
    const [all] = table('Steps over time');
    const counted = all.slice(1).map(numberOf);
    expect(counted.at(-1)).toBe(json.idleRankSteps);
    const parked = json.reasons.leave + (json.reasons['all-idle'] ?? 0);
    expect(counted.slice(0, -1).reduce((sum, count) => sum + count, 0)).toBe(json.steps + parked);
    expect(table('Reasons').map(([reason, count]) => [reason, numberOf(count)])).toEqual(
      Object.entries(json.reasons as Record<string, number>).sort((one, other) => other[1] - one[1]),
    );
    const ranks = table('Ranks over time');
    expect(ranks).toHaveLength(4);
    expect(Number.parseFloat(ranks[3].at(-1) ?? '')).toBeCloseTo(100 * json.paddingRatioAll, 0);
    const { seconds, stepsPerSecond, ...plain } = JSON.parse(cli([...args, '--json']).stdout);
    expect(json).toMatchObject(plain);
    expect(Object.keys(json)).toHaveLength(Object.keys(plain).length + 2);
  });

  it('run', () => {
    const log = file('captures.jsonl');
    const { facts, table, json } = page([
      'run',
      '--requests',
      '20',
      '--device',
      'host',
      '--tensor-parallel-size',
      '2',
      '--capture-log',
      log,
    ]);
    expect(facts.Mismatches).toBe('0');
    expect(facts.Steps).toBe(grouped(json.steps));
    const [all] = table('Steps over time');
    expect(numberOf(all[1])).toBe(json.graphSteps);
    const ranks = table('Ranks over time');
    expect(ranks.map(([rank]) => rank)).toEqual(['rank 0', 'rank 1', 'all ranks']);
    expect(Number.parseFloat(ranks[2].at(-1) ?? '')).toBeCloseTo(100 * json.paddingRatioAll, 0);
    // The graphs in capture order, as the capture log has them.
    const lines = readFileSync(log, 'utf8').trim().split('\n').slice(0, -1);
    const logged = lines.map((line) => JSON.parse(line));
    const pool = table('Memory of graphs');
    expect(pool.map(([, tokens]) => tokens)).toEqual(logged.map(({ key }) => `${key.tokens}`));
    expect(pool).toHaveLength(json.graphs);
    const reserved = logged.reduce((sum, { reservedBytes }) => sum + reservedBytes, 0);
    expect(Number.parseFloat(pool.at(-1)?.[4] ?? '')).toBeCloseTo(reserved / 1024, 0);
  });

  it('audit, with traffic and without', () => {
    const trace = file('trace.csv');
    writeFileSync(
      trace,
      'TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:00:00.0,10,30\n2023-11-16 18:00:00.1,20,40\n',
    );
    const { facts, table, json } = page(['audit', trace, '--ladder', '2,8,300'], 0);
    expect(facts.Graphs).toBe(grouped(json.graphs));
    expect(Number.parseFloat(facts['Padding of the traffic'])).toBeCloseTo(100 * json.traffic.paddingRatio, 0);
    const counted = table('Traffic and sizes').reduce((sum, [, steps]) => sum + numberOf(steps), 0);
    expect(counted).toBe(json.traffic.decodes);
    const none = page(['audit', '--ladder', '1,4'], 1);
    expect(none.table('Decodes without a full graph')).toEqual(
      none.json.uncovered.map(({ from, to, run }: { from: number; to: number; run: string }) => [
        `${from} to ${to}`,
        run,
      ]),
    );
    expect(none.table('Traffic and sizes')).toEqual([]);
  });

  it('check, with a diagram for each counterexample', () => {
    const { facts, table, json, document } = page(['check', '--policy', 'atom-before-1120'], 1);
    expect(facts['States explored']).toBe(grouped(json.states));
    expect(document.querySelectorAll('.wide svg[role=table]')).toHaveLength(json.violations.length);
    for (const { property, trace } of json.violations) {
      expect(table(`Counterexample to ${property}`).map((row) => row[3])).toEqual(
        trace.map(({ text }: { text: string }) => text),
      );
    }
    const violated = table('Properties').filter(([, verdict]) => verdict === 'violated');
    expect(violated.map(([property]) => property)).toEqual(
      json.violations.map(({ property }: { property: string }) => property),
    );
    // Neither the page nor its text has a terminal's colours.
    expect(document.querySelector('pre')?.textContent).not.toContain('\u001b');
  });

  it('bench', () => {
    const { table, json } = page(['bench', '--filter', 'csr-256', '--rounds', '1']);
    const [row] = table('Time of each row');
    expect(row[0]).toBe(json.cases[0].name);
    expect(numberOf(row[1])).toBeCloseTo(json.cases[0].ns, -Math.ceil(Math.log10(json.cases[0].ns)) + 2);
  });
});

describe('a page is refused before work is done', () => {
  it.each([
    ['an input', ['audit', '--trace', file('in.csv'), '--html', file('in.csv')], '--html'],
    ['an input, through a link', ['plan', file('in.csv'), '--html', file('link.html')], 'the source'],
    ['another output', ['simulate', '--requests', '5', '--steps-out', file('a'), '--html', file('a')], '--steps-out'],
    ['a policy', ['check', '--policy', file('in.csv'), '--html', file('in.csv')], '--policy'],
    ['where no folder is', ['bench', '--filter', 'csr-256', '--html', file('nowhere/a.html')], 'nowhere'],
    [
      'the configuration',
      ['plan', '--requests', '5', '--config', file('c.json'), '--html', file('c.json')],
      '--config',
    ],
    ['an engine', ['audit', '--engine', file('e.json'), '--html', file('e.json')], '--engine'],
    [
      'the configuration of an engine',
      ['audit', '--engine-config', `${file('e.yaml')}#a`, '--html', file('e.yaml')],
      '--engine-config',
    ],
    [
      'a model',
      ['simulate', '--requests', '5', '--cost-model', `h100:${file('c.json')}`, '--steps-out', file('c.json')],
      '--cost-model',
    ],
    ['of rows that there are not', ['check', '--output', 'csv'], '--list'],
    ['of a list', ['check', '--list', '--html', file('m.html')], '--list'],
    ['of an empty name', ['plan', '--html='], '--html'],
    ['of --open alone', ['run', '--open'], '--html'],
    ['of measured costs', ['plan', '--measure', 'random:dense', '--html', file('m.html')], '--measure'],
  ])('%s', (_what, args, named) => {
    writeFileSync(file('in.csv'), 'x');
    writeFileSync(file('c.json'), '{}');
    const engines = { 'e.json': '{"engine": "vllm"}', 'e.yaml': 'a:\n  cuda_graph_config:\n    max_batch_size: 8\n' };
    for (const [name, text] of Object.entries(engines)) writeFileSync(file(name), text);
    rmSync(file('link.html'), { force: true });
    symlinkSync(file('in.csv'), file('link.html'));
    const { status, stderr, stdout } = cli(args);
    expect(status, stderr).toBe(2);
    expect(stderr).toContain(named);
    expect(stdout).toBe('');
    expect(readFileSync(file('in.csv'), 'utf8')).toBe('x');
    expect(readFileSync(file('c.json'), 'utf8')).toBe('{}');
    for (const [name, text] of Object.entries(engines)) expect(readFileSync(file(name), 'utf8')).toBe(text);
    expect(readdirSync(folder).filter((name) => ['a', 'm.html', 'nowhere'].includes(name))).toEqual([]);
  });
});

it('prints the same with a page as without', () => {
  const args = ['plan', '--requests', '30'];
  const plain = cli(args);
  expect(cli([...args, '--html', file('same.html')]).stdout).toBe(plain.stdout);
  expect(readFileSync(file('same.html'), 'utf8')).toContain('<!DOCTYPE html>');
});

it('opens the page with what the desktop has, and says so where it has nothing', () => {
  const opener = file('xdg-open');
  const opened = file('opened');
  writeFileSync(opener, `#!/bin/sh\nprintf '%s' "$1" > '${opened}'\n`, { mode: 0o755 });
  const html = file('open.html');
  const args = ['bench', '--filter', 'csr-256', '--rounds', '1', '--html', html, '--open'];
  expect(cli(args, '', { ...process.env, PATH: `${folder}:${process.env.PATH}` }).status).toBe(0);
  return expect
    .poll(() => readdirSync(folder).includes('opened') && readFileSync(opened, 'utf8'))
    .toBe(html)
    .then(() => {
      const without = cli(args, '', { ...process.env, PATH: '/nowhere' });
      expect(without.status).toBe(0);
      expect(without.stderr).toContain('open it yourself');
    });
});
