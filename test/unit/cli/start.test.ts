import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { Command, Help } from 'commander';
import { describe, expect, test } from 'vitest';
import { addCommands, allCommands } from '../../../dist/cli/commands.js';
import { namedLadder, namedPolicy } from '../../../dist/engines/index.js';
import { GPU_NAMES, LADDER_NAMES, MODEL_NAMES, POLICY_NAMES } from '../../../dist/names.js';
import { GPUS, MODELS } from '../../../dist/workload/index.js';
import { cli, root } from '../../support/cli.js';

/** Files of dist/ that a command loads. */
function loaded(...args: string[]): string[] {
  return loadedWith('', args);
}

/** The same, with a text on standard input. */
function loadedWith(input: string, args: readonly string[]): string[] {
  const dist = `${pathToFileURL(path.join(root, 'dist')).href}/`;
  const files = modulesWith(input, args)
    .filter((url) => url.startsWith(dist))
    .map((url) => url.slice(dist.length));
  expect(files.length).toBeGreaterThan(5);
  return files;
}

/** Modules of a package that a command loads which reads this text. */
const modulesOf = (name: string, input: string, args: readonly string[]): readonly string[] =>
  modulesWith(input, args).filter((url) => url.includes(`/node_modules/${name}/`));

/** Addresses of all modules that a command loads. A loader hook tells them on descriptor 3, and at the end those that were required. */
function modulesWith(input: string, args: readonly string[]): string[] {
  const hook = `data:text/javascript,${encodeURIComponent(`
    import { writeSync } from 'node:fs';
    import Module, { register } from 'node:module';
    import { pathToFileURL } from 'node:url';
    process.on('exit', () => {
      for (const file of Object.keys(Module._cache)) writeSync(3, pathToFileURL(file).href + '\\n');
    });
    register('data:text/javascript,' + encodeURIComponent(\`
      import { writeSync } from 'node:fs';
      export async function load(url, context, next) {
        writeSync(3, url + '\\\\n');
        return next(url, context);
      }
    \`));
  `)}`;
  const main = path.join(root, 'dist/cli/main.js');
  const { output, status } = spawnSync(process.execPath, ['--import', hook, main, ...args], {
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    input,
  });
  expect(status, output[2] as string).toBe(0);
  return (output[3] as string).split('\n');
}

const roomsOf = (files: readonly string[]): string[] =>
  [...new Set(files.map((file) => (file.includes('/') ? file.slice(0, file.indexOf('/')) : file)))].sort();

/** Files of dist/ that are loaded with one of them before it does anything. */
function behind(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  const text = readFileSync(path.join(root, 'dist', file), 'utf8');
  for (const [, name] of text.matchAll(/^(?:import|export)[^;]*? from '(\.[^']+)';$/gm)) {
    behind(path.join(path.dirname(file), name), seen);
  }
  return seen;
}

test('a rank of a run without a model loads nothing of checkpoints and engines', () => {
  const rooms = roomsOf([...behind('run/run-worker.js')]);
  expect(rooms).toEqual(expect.arrayContaining(['formats', 'planner', 'ranks', 'runtime']));
  for (const room of ['checkpoint', 'decoder', 'engines']) expect(rooms).not.toContain(room);
  expect(roomsOf([...behind('run/model-job.js')])).toEqual(expect.arrayContaining(['checkpoint', 'decoder']));
});

const COMMANDS = [
  'run',
  'generate',
  'serve',
  'plan',
  'audit',
  'simulate',
  'explain',
  'check',
  'conformance',
  'bench',
  'doctor',
];

describe('what a command loads', () => {
  test.each([['--version'], ['--help']])('%s: what no command is made of', (flag) => {
    const files = [
      'errors.js',
      ...['commands', 'exit', 'interrupts', 'main', 'program'].map((name) => `cli/${name}.js`),
    ];
    expect(loaded(flag).sort()).toEqual(files.sort());
  });

  test.each(COMMANDS)('%s --help: no room behind it', (name) => {
    const rooms = ['checks.js', 'cli', 'config.js', 'errors.js', 'names.js'];
    expect(rooms).toEqual(expect.arrayContaining(roomsOf(loaded(name, '--help'))));
  });

  test('a command loads its own file of cli/, and none of another command', () => {
    const own = loaded('doctor').filter((file) => COMMANDS.includes(path.basename(file, '.js')));
    expect(own.filter((file) => file.startsWith('cli/'))).toEqual(['cli/doctor.js']);
    const rooms = roomsOf(loaded('check', '--list'));
    for (const room of ['run', 'capture', 'bench', 'conformance', 'workload']) expect(rooms).not.toContain(room);
    for (const room of ['run', 'capture', 'workload', 'check', 'engines', 'service', 'server', 'decoder', 'checkpoint'])
      expect(roomsOf(loaded('doctor'))).not.toContain(room);
  });

  test('a workload is simulated without what a run takes besides: ranks, devices and models', () => {
    const rooms = roomsOf(loaded('simulate', '--requests', '2', '--ladder', 'vllm'));
    expect(rooms).toEqual(expect.arrayContaining(['simulation', 'counts', 'engines', 'workload']));
    for (const room of [
      'run',
      'ranks',
      'device',
      'execution',
      'runtime',
      'checkpoint',
      'decoder',
      'recorder',
      'capture',
    ])
      expect(rooms).not.toContain(room);
  });

  test('a batch is explained without what reads plans, logs and traces', () => {
    const rooms = roomsOf(loadedWith('{"ranks":[{"requests":[]}]}', ['explain']));
    expect(rooms).toContain('explain');
    for (const room of ['formats', 'input', 'workload', 'ranks', 'native']) expect(rooms).not.toContain(room);
  });

  test.each([
    ['of JSON Lines', '{"timestamp": 0, "input_length": 6, "output_length": 2}\n', false],
    ['of CSV', 'TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:15:46,6,2\r\n', false],
    ['of CSV with quotes', 'TIMESTAMP,ContextTokens,GeneratedTokens\n"2023-11-16 18:15:46",6,2\n', true],
  ])('a trace %s is read with what reads quotes only if it has some', (_, text, hasQuotes) => {
    expect(modulesOf('csv-parse', text, ['plan', '--trace', '-']).length > 0).toBe(hasQuotes);
  });

  test('plan writes YAML without its parser, which reads a configuration', () => {
    const plan = ['plan', '--requests', '5'];
    expect(modulesOf('yaml', '', plan)).toEqual([]);
    expect(modulesOf('yaml', '', [...plan, '--engine', 'cuda_graph_config: {batch_sizes: [1]}'])).not.toEqual([]);
  });

  test('every command has a file of its own', () => {
    const files = readdirSync(path.join(root, 'dist/cli'));
    for (const name of COMMANDS) expect(files).toContain(`${name}.js`);
  });
});

test('help lists of each command what its definition says may follow', async () => {
  const program = new Command();
  await addCommands(program, []);
  const listed = program.commands.map((command) => `${command.name()} ${command.usage()}`);
  const whole = await allCommands();
  const terms = whole.map((command) => new Help().subcommandTerm(command));
  expect(listed).toEqual(terms);
  expect(whole.map(({ options }) => options.length > 1).filter(Boolean).length).toBe(COMMANDS.length + 1);
});

test.each([
  ['help', 'plan'],
  ['plan', '--help'],
])('%s %s: the options of plan', (...args) => {
  expect(cli(args).stdout).toContain('--size-multiple');
});

test('names that help shows are those that the rooms know', () => {
  expect(GPU_NAMES).toEqual(Object.keys(GPUS));
  expect(MODEL_NAMES).toEqual(Object.keys(MODELS));
  for (const name of POLICY_NAMES) expect(namedPolicy(name).name).toBe(name);
  const limits = { maxNumSeqs: 64, maxNumBatchedTokens: 512, queryLen: 1 };
  for (const name of LADDER_NAMES) expect(namedLadder(name, limits).length, name).toBeGreaterThan(0);
});
