// Commands that run ranks: a workload, or a model.
import { type Command, Option } from 'commander';
import { DEFAULT_TIMEOUT_MS, TYPED_DEVICES, WORKLOAD_DEFAULTS } from '../names.js';
import { count, decimal, device, natural, seed64, tokenIds } from './option-values.js';
import { addHtmlOptions, addPlannerOptions, addPoolOption, addServiceOptions, addWorkloadOptions } from './options.js';

/** `lockstep run`: a workload, planned, agreed, built and executed on ranks, and verified. */
export function defineRun(command: Command): void {
  addPoolOption(addPlannerOptions(addWorkloadOptions(command)))
    .addOption(
      new Option('--tensor-parallel-size <n>', 'processes of a rank, each a worker thread with the same batch')
        .argParser(count)
        .default(WORKLOAD_DEFAULTS.tensorParallelSize),
    )
    .addOption(new Option('--device <name>', `where kernels run: ${TYPED_DEVICES}`).argParser(device).default('auto'))
    .addOption(transportOption())
    .option('--rank-out <dir>', 'with mpi: each process writes what it did, or why it failed, as rank-N.json')
    .addOption(
      new Option('--verify <how>', 'read back every scheduled request after each step, or a seeded eighth')
        .choices(['full', 'sampled'])
        .default('full'),
    )
    .option('--plan-out <file>', 'write the capture plan')
    .addOption(
      new Option('--timeout <ms>', 'longest wait for a peer or the device')
        .argParser(count)
        .default(DEFAULT_TIMEOUT_MS),
    )
    .addOption(new Option('--device-memory <bytes>', 'bytes each rank may use on its device').argParser(count))
    .option('--check-shapes', 'check every tensor of every step against its decision')
    .option('--step-log <file>', 'write every step: votes and decision, one JSON object a line')
    .option('--capture-log <file>', 'write what capturing each graph took: memory and seconds, one JSON object a line')
    .option('--record <dir>', 'keep the last steps of each rank in a file of this folder, rank-N.rec, for replay')
    .option(
      '--model <dir>',
      "compute a model's tokens, and compare them with one eager rank's: a folder in Hugging Face's layout, random:dense or random:moe",
    )
    .addOption(
      new Option('--temperature <t>', 'with --model: how tokens are drawn; 0: always the most likely')
        .argParser(decimal)
        .default(0),
    )
    .addOption(
      new Option('--top-k <n>', 'with --model: tokens kept, the most likely first; 0 keeps all')
        .argParser(natural)
        .default(0),
    )
    .addOption(new Option('--top-p <p>', 'with --model: share of the probability kept').argParser(decimal).default(1))
    .addOption(
      new Option('--sampled-share <p>', 'with --model: share of the requests that draw so; the others are greedy')
        .argParser(decimal)
        .default(1),
    )
    .option('--async', 'with --model: plan each step while the one before runs; its tokens stay on the device')
    .addOption(
      new Option('--prompt-scale <x>', 'multiply the lengths of prompts by this, at most 1')
        .argParser(decimal)
        .default(1),
    )
    .option('--json', 'print one JSON document')
    .action(async (flags) => (await import('./run.js')).run(flags, command));
  addHtmlOptions(command);
}

function transportOption(): Option {
  return new Option('--transport <name>', 'how votes cross ranks (default: solo for one rank, else threads)').choices([
    'solo',
    'threads',
    'mpi',
  ]);
}

/** `lockstep serve MODEL`: a live service over ranks, and its HTTP server. */
export function defineServe(command: Command): void {
  command.argument(
    '<model>',
    "a model's folder, random:dense or random:moe, or a module that makes a forward (.js, .mjs)",
  );
  addPoolOption(addServiceOptions(command))
    .addOption(new Option('--ranks <n>', 'data-parallel ranks').argParser(count).default(1))
    .addOption(
      new Option(
        '--tensor-parallel-size <n>',
        'threads of a rank, or processes with mpi, which compute its batch together',
      )
        .argParser(count)
        .default(1),
    )
    .addOption(
      new Option('--transport <name>', 'how votes cross ranks: threads of this process, or processes of an MPI job')
        .choices(['threads', 'mpi'])
        .default('threads'),
    )
    .option('--host <address>', 'where to listen; 0.0.0.0 for every network', '127.0.0.1')
    .addOption(new Option('--port <n>', 'where to listen; 0 for a port that is free').argParser(natural).default(8000))
    .addOption(
      new Option('--api-key <key>', 'what clients must send; better given as LOCKSTEP_API_KEY').env('LOCKSTEP_API_KEY'),
    )
    .addOption(new Option('--device <name>', `where kernels run: ${TYPED_DEVICES}`).argParser(device).default('auto'))
    .addOption(new Option('--device-memory <bytes>', 'bytes each process may use on its device').argParser(count))
    .addOption(
      new Option('--timeout <ms>', 'longest wait for a peer or the device')
        .argParser(count)
        .default(DEFAULT_TIMEOUT_MS),
    )
    .addOption(new Option('--max-queue <n>', 'requests that may wait').argParser(natural).default(1024))
    .addOption(
      new Option('--restarts <n>', 'how many times lost ranks are started again').argParser(natural).default(3),
    )
    .addOption(new Option('--grace <s>', 'after SIGTERM: seconds for what was accepted').argParser(decimal).default(30))
    .option('--async', 'plan each step while the one before runs')
    .option('--json', 'print one line of JSON once it listens')
    .action(async (model, flags) => (await import('./serve.js')).serve(model, flags, command));
}

/** `lockstep generate`: what a model says after a prompt. */
export function defineGenerate(command: Command): void {
  command
    .argument('<model>', "a model's folder, or random:dense or random:moe, which take --prompt-ids")
    .argument('[prompt]', 'the text to go on with');
  addPoolOption(addServiceOptions(command))
    .addOption(
      new Option('--max-tokens <n>', 'tokens after which it ends (default: what the limits leave)').argParser(natural),
    )
    .addOption(new Option('--temperature <t>', '0: always the most likely token').argParser(decimal).default(0))
    .addOption(
      new Option('--top-k <n>', 'tokens kept, the most likely first; 0 keeps all').argParser(natural).default(0),
    )
    .addOption(new Option('--top-p <p>', 'share of the probability kept').argParser(decimal).default(1))
    .addOption(new Option('--seed <n>', 'equal seeds give equal texts').argParser(seed64).default(0n, '0'))
    .addOption(
      new Option('--stop <text>', 'ends where this text comes, which is left out; may be given again')
        .argParser((text: string, before: readonly string[]) => [...before, text])
        .default([], 'none'),
    )
    .option('--ignore-eos', "go on after the model's end of a text")
    .addOption(
      new Option('--prompt-ids <ids>', 'tokens to go on with in place of a text: 1,403,407').argParser(tokenIds),
    )
    .addOption(new Option('--ranks <n>', 'data-parallel ranks').argParser(count).default(1))
    .addOption(
      new Option('--tensor-parallel-size <n>', 'worker threads of a rank, which compute its batch together')
        .argParser(count)
        .default(1),
    )
    .addOption(new Option('--device <name>', `where kernels run: ${TYPED_DEVICES}`).argParser(device).default('auto'))
    .addOption(
      new Option('--timeout <ms>', 'longest wait for a peer or the device')
        .argParser(count)
        .default(DEFAULT_TIMEOUT_MS),
    )
    .option('--async', 'plan each step while the one before runs')
    .option('--json', 'print one JSON document when all is there')
    .action(async (model, prompt, flags) => (await import('./generate.js')).generate(model, prompt, flags, command));
}
