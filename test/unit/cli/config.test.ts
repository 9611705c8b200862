import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Ajv } from 'ajv';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addCommands } from '../../../dist/cli/commands.js';
import { withConfig } from '../../../dist/cli/config-file.js';
import { configSchema } from '../../../dist/cli/config-schema.js';
import { cli, root } from '../../support/cli.js';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'lockstep-config-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A file with a configuration. */
function config(document: unknown): string {
  const file = path.join(folder, 'lockstep.json');
  writeFileSync(file, typeof document === 'string' ? document : JSON.stringify(document));
  return file;
}

/** What `simulate` says it did, of 20 requests. */
function simulated(document: unknown, ...flags: string[]): Record<string, unknown> {
  const { status, stdout, stderr } = cli(['simulate', '--config', config(document), '--json', ...flags]);
  expect({ status, stderr: stderr.replace(/^[-=]+.*\n/gm, '') }).toEqual({ status: 0, stderr: '' });
  return JSON.parse(stdout);
}

it('publishes the schema that the options give, and the schema holds itself', async () => {
  const published = JSON.parse(readFileSync(path.join(root, 'schemas/config.schema.json'), 'utf8'));
  expect(published).toEqual(await configSchema());
  expect(new Ajv({ allowUnionTypes: true }).validateSchema(published)).toBe(true);
});

describe('--config', () => {
  it('sets options for all commands, a section overrides them, and a flag overrides both', () => {
    const document = { common: { requests: 20, ranks: 1, seed: 5 }, simulate: { ranks: 3 }, plan: { graphs: 4 } };
    expect(simulated(document)).toMatchObject({ requests: 20, ranks: 3, seed: 5 });
    expect(simulated(document, '--ranks', '2', '--seed', '6')).toMatchObject({ requests: 20, ranks: 2, seed: 6 });
  });

  it('gives way to a flag that cannot stand beside what it says, and takes a value where one is needed', () => {
    expect(simulated({ common: { output: 'csv' } }, '--requests', '20')).toMatchObject({ requests: 20 });
    const wrong = cli(['explain', '--config', config({ explain: { kvGroups: true } })]);
    expect(wrong).toMatchObject({ status: 2, stderr: expect.stringContaining('takes a value') });
  });

  it('gives the same as the flags, whatever their kind', () => {
    const document = {
      $schema: 'https://example.org/config.schema.json',
      simulate: { requests: 20, ladder: [1, 2, 4], twins: false, stepTime: [5, 0.1, 0], policy: 'vllm-v1' },
    };
    const flags = [
      '--requests',
      '20',
      '--ladder',
      '1,2,4',
      '--no-twins',
      '--step-time',
      '5,0.1,0',
      '--policy',
      'vllm-v1',
    ];
    const given = cli(['simulate', '--json', ...flags]);
    const timeless = ({ seconds: _, stepsPerSecond: __, ...rest }: Record<string, unknown>): object => rest;
    expect(timeless(simulated(document))).toEqual(timeless(JSON.parse(given.stdout)));
  });

  it('becomes flags behind the name of the command, a list each where an option may be given several times', async () => {
    const file = config({
      common: { ranks: 2, ladder: [1, 2], graphs: 3 },
      generate: { stop: ['x', 'y z'], ignoreEos: true },
    });
    const program = new Command();
    await addCommands(program, ['generate']);
    expect(await withConfig(program, ['generate', 'm', '--config', file])).toEqual([
      'generate',
      ...['--ranks=2', '--ladder=1,2', '--stop=x', '--stop=y z', '--ignore-eos'],
      ...['m', '--config', file],
    ]);
    const line = ['m', '--config', file, '--ranks', '1', '--stop=z'];
    expect(await withConfig(program, ['generate', ...line])).toEqual([
      ...['generate', '--ladder=1,2', '--ignore-eos'],
      ...line,
    ]);
    expect(await withConfig(program, ['generate', 'm', '--', `--config=${file}`])).toEqual([
      'generate',
      'm',
      '--',
      `--config=${file}`,
    ]);
  });

  it.each([
    [{ common: { rank: 1 } }, 'common has no rank. Did you mean "ranks"?'],
    [{ simulat: {} }, 'the document has no simulat. Did you mean "simulate"?'],
    [{ simulate: { requests: '20' } }, 'simulate.requests must be integer'],
    [{ plan: { objective: 'all' } }, 'plan.objective must be equal to one of the allowed values: robust, seen'],
    [[], 'the document must be object'],
    ['{', 'is not JSON'],
  ])('refuses %j and says what is wrong', (document, complaint) => {
    const { status, stdout, stderr } = cli(['simulate', '--config', config(document)]);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain(complaint);
    expect(stderr).toContain('[ERR_CONFIG_INVALID]');
  });

  it('names the file and lists every fault, of the schema and of the options that read the values', () => {
    const file = config({
      common: { ranks: 'two', numBlocks: 'none', seed: 'x', kvGroups: true },
      plan: { graphs: -4, maxNumSeqs: 0, graphMemory: '12XB' },
      serve: { port: -1, transport: 'solo', device: 'warp' },
    });
    const { status, stdout, stderr } = cli(['explain', '--config', file]);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    const [first, ...faults] = stderr.trimEnd().split('\n');
    expect(first).toBe(`lockstep: ${file} is no configuration:`);
    expect(faults.map((fault) => fault.replace(/^ {2}- | \[ERR_CONFIG_INVALID\]$/g, '')).sort()).toEqual([
      'common.kvGroups is true; --kv-groups <json> takes a value',
      'common.numBlocks must be integer, or must be "auto"',
      'common.ranks must be integer',
      'plan.graphMemory is "12XB"; "12XB" is no amount of memory; give bytes, or one with a unit such as 512MiB or 1.5GB',
      'plan.graphs must be >= 1',
      'plan.maxNumSeqs must be >= 1',
      'serve.device is "warp"; it is auto, host, cuda, hip, or a card of theirs: cuda:1',
      'serve.port must be >= 0',
      'serve.transport must be equal to one of the allowed values: threads, mpi',
    ]);
  });

  it('has no engine for a service, which answers one with what to do', async () => {
    const { properties } = (await configSchema()) as { properties: Record<string, { properties: object }> };
    for (const [name, ...prompt] of [['serve'], ['generate', '--prompt-ids=1']] as const) {
      expect(Object.keys(properties[name]?.properties ?? {})).not.toContain('engine');
      expect(cli([name, '--help']).stdout).not.toContain('--engine');
      const { status, stdout, stderr } = cli([name, 'random:dense', ...prompt, '--engine', 'vllm serve m']);
      expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
      expect(stderr).toContain(`lockstep ${name} takes the graphs of a plan and no engine; write them with`);
    }
    expect(Object.keys(properties.common?.properties ?? {})).toContain('engine');
    expect(simulated({ common: { engine: 'vllm@0.12', requests: 3 } })).toMatchObject({
      engine: { profile: { engine: 'vllm' } },
    });
  });

  it('takes in common what any command takes, and the one that runs checks its own', () => {
    expect(simulated({ common: { transport: 'solo', requests: 5, seed: '7' } }).seed).toBe(7);
    const { status, stderr } = cli(['serve', 'random:dense', '--config', config({ common: { transport: 'solo' } })]);
    expect(status).toBe(2);
    expect(stderr).toMatch(/lockstep.json is no configuration:\n {2}- common.transport is "solo"; allowed choices/i);
  });

  it('gives every option in common a type, and a least value where less is refused', async () => {
    const { properties } = (await configSchema()) as { properties: Record<string, { properties: object }> };
    const untyped = Object.entries(properties.common?.properties ?? {}).filter(
      ([, schema]) => !['type', 'anyOf', 'enum'].some((key) => key in (schema as object)),
    );
    // Any JSON is a value of this one.
    expect(untyped.map(([name]) => name)).toEqual(['kvGroups']);
    for (const [flag, name] of [
      ['--max-num-seqs', 'maxNumSeqs'],
      ['--graphs', 'graphs'],
      ['--size-multiple', 'sizeMultiple'],
    ] as const) {
      expect(properties.plan?.properties).toMatchObject({ [name]: { minimum: 1 } });
      expect(cli(['plan', flag, '0']).status).toBe(2);
    }
  });

  it('names the file that is missing, and one that is there', () => {
    config({});
    const { status, stderr } = cli(['simulate', '--config', path.join(folder, 'lokstep.json')]);
    expect(status).toBe(2);
    expect(stderr).toContain(`Did you mean ${JSON.stringify(path.join(folder, 'lockstep.json'))}?`);
  });
});
