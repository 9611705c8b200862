import { type Command, Option } from 'commander';
import {
  DEFAULT_GPU_MEMORY_UTILIZATION,
  GENERATED_REQUESTS,
  GPU_NAMES,
  LADDER_NAMES,
  LIMIT_DEFAULTS,
  MODEL_NAMES,
  type NumberLimit,
  POLICY_DEFAULTS,
  POLICY_NAMES,
  type PolicyDefaults,
  TIME_UNIT_NAMES,
  WORKLOAD_DEFAULTS,
} from '../names.js';
import { blocks, columns, count, decimal, natural, stepTime } from './option-values.js';

/** Options that say what steps are planned with: limits, ladder and policy. Commands share them that plan or decide steps, with an engine's in place of them. */
export function addPlannerOptions(command: Command): Command {
  return addEngineOptions(addGraphOptions(command));
}

/** The same for a service, which takes no engine: one that is given is answered with what to do, and no help or completion names it. */
export function addServiceOptions(command: Command): Command {
  return addGraphOptions(command)
    .addOption(new Option('--engine <what>').hideHelp())
    .addOption(new Option('--engine-config <file>').hideHelp());
}

/** Limits, ladder and policy. */
function addGraphOptions(command: Command): Command {
  addLimitOptions(command)
    .option(
      '--ladder <sizes>',
      `captured sizes in tokens (1,2,4,8) or a ladder's name (${LADDER_NAMES.join(', ')})`,
      'vllm',
    )
    .option('--plan <file>', "that plan's graphs instead of a ladder's, and its policy unless one is given")
    .option('--twins', "capture each size from the threshold on both plain and ubatched (default: the policy's choice)")
    .option('--no-twins', 'capture each size once: ubatched from the threshold on, plain below it');
  return addPolicyOptions(command);
}

/** Options that name an engine as somebody runs it. Every command that plans or decides steps shares them. */
export function addEngineOptions(command: Command): Command {
  return command
    .option(
      '--engine <what>',
      `an engine as you run it: its launch line ("vllm serve …"), a name with a release (vllm@0.12), or a profile in JSON or a file; it sets policy, graphs and limits, and other options override it`,
    )
    .option(
      '--engine-config <file>',
      "TensorRT-LLM's YAML, or a profile in JSON; file#path for one of several servers in it",
    );
}

/** Options that bound a rank's step and its cache. */
export function addLimitOptions(command: Command): Command {
  return command
    .addOption(limit('--max-num-seqs <n>', 'most requests of a rank in one step', 'maxNumSeqs'))
    .addOption(limit('--max-num-batched-tokens <n>', 'most tokens of a rank in one step', 'maxNumBatchedTokens'))
    .addOption(limit('--max-model-len <n>', 'longest request, prompt and output, in tokens', 'maxModelLen'))
    .addOption(limit('--block-size <n>', 'tokens of one KV block', 'blockSize'))
    .addOption(
      limit(
        '--num-blocks <n>',
        'KV blocks of a rank, the null block included; auto, where a model is computed: what fits into the memory that is left',
        'numBlocks',
      ).argParser(blocks),
    )
    .addOption(
      new Option(
        '--query-len <n>',
        `tokens of a decode: 1 + speculative tokens (default: ${LIMIT_DEFAULTS.queryLen}; of a plan file, what its graphs have places for)`,
      ).argParser(count),
    );
}

/** Options that choose a policy, or set one of its numbers. */
export function addPolicyOptions(command: Command): Command {
  return command
    .addOption(choice('--ubatches <n>', 'micro-batches a step may be cut into', 'ubatches'))
    .addOption(
      choice(
        '--ubatch-threshold-decode <n>',
        'least tokens with which a decoding rank wants them',
        'ubatchThresholdDecode',
      ),
    )
    .addOption(
      choice('--ubatch-threshold-prefill <n>', 'the same with a prefill in the batch', 'ubatchThresholdPrefill'),
    )
    .option(
      '--policy <name|file>',
      `the policy: ${POLICY_NAMES.join(', ')}, or a JSON file; flags override what it says (default: ${POLICY_DEFAULTS.name})`,
    );
}

/** The share of memory that `--num-blocks auto` fills. Commands that compute a model on ranks have it. */
export function addPoolOption(command: Command): Command {
  return command.addOption(
    new Option(
      '--gpu-memory-utilization <share>',
      `with --num-blocks auto: share of each card's memory that may be in use, above 0, 1 at most (default: ${DEFAULT_GPU_MEMORY_UTILIZATION})`,
    ).argParser(decimal),
  );
}

/** A limit, which has its default where the flag is not given. */
function limit(flag: string, says: string, name: NumberLimit): Option {
  return new Option(flag, says).argParser(count).default(LIMIT_DEFAULTS[name]);
}

/** A number of the policy. It overrides the policy only if the flag is given. */
function choice(flag: string, says: string, name: keyof PolicyDefaults): Option {
  return new Option(
    flag,
    `${says} (default: the policy's; ${POLICY_DEFAULTS[name]} in ${POLICY_DEFAULTS.name})`,
  ).argParser(count);
}

/** Options that say which requests arrive when, and how they are scheduled. `run` and `simulate` share them. */
export function addWorkloadOptions(command: Command): Command {
  const { ranks, speed, acceptRate, stepTime: ms, seed } = WORKLOAD_DEFAULTS;
  return command
    .option(
      '--trace <file>',
      'requests to serve: a trace or the result of a benchmark, detected by its content; - for standard input (default: a generated workload)',
    )
    .addOption(
      new Option('--time-unit <unit>', "unit of the trace's times (default: its format's)").choices(TIME_UNIT_NAMES),
    )
    .addOption(
      new Option(
        '--hash-block-size <n>',
        "tokens of one of the trace's hash ids (default: its format's, or what fits its first request)",
      ).argParser(count),
    )
    .addOption(
      new Option(
        '--columns <a=b>',
        "names of the trace's columns, for fields that it calls otherwise: timestamp=T,input_length=I,output_length=O",
      ).argParser(columns),
    )
    .addOption(
      new Option(
        '--requests <n>',
        `stop after this many requests (default: all of a trace, ${GENERATED_REQUESTS} generated)`,
      ).argParser(count),
    )
    .addOption(new Option('--ranks <n>', 'data-parallel ranks').argParser(count).default(ranks))
    .addOption(new Option('--speed <x>', 'divide arrival times by this').argParser(decimal).default(speed))
    .addOption(
      new Option('--accept-rate <p>', 'chance that a draft is accepted when all before it were')
        .argParser(decimal)
        .default(acceptRate),
    )
    .addOption(
      new Option('--step-time <a,b,c>', 'simulated step time a + b*tokens + c*kvTokens, in ms')
        .argParser(stepTime)
        .default(ms, ms.join()),
    )
    .addOption(
      new Option('--seed <n>', 'seed of the workload, of accepted drafts and of samples')
        .argParser(natural)
        .default(seed),
    );
}

/** Options that write what was found as a page. */
export function addHtmlOptions(command: Command): Command {
  return command
    .option('--html <file>', 'write a page with plots and tables: one HTML file that loads nothing else')
    .option('--open', 'open that page');
}

/** Options that say what a step of n tokens costs. `plan` and `simulate` share them. */
export function addCostOptions(command: Command): Command {
  const [gpus, models] = [GPU_NAMES, MODEL_NAMES].map((names) => names.join(', '));
  return command
    .option('--cost <file>', 'CSV of measured times by num_tokens (default: a size costs its tokens)')
    .option(
      '--cost-model <gpu:model>',
      `times by the built-in roofline instead; GPUs: ${gpus}; models: ${models}, or the path of a model's config.json`,
    )
    .option('--model-config <file>', "a model's config.json, or its folder; --cost-model then names the GPU alone")
    .addOption(
      new Option('--tensor-parallel-size <n>', 'rows of that table to take; GPUs of that roofline').argParser(count),
    );
}

/** `--output`, for a command whose result has rows. */
export function addOutputOption(command: Command, rows: string): Command {
  return command.addOption(
    new Option('--output <format>', `json as --json; or ${rows}, as ndjson, a table or csv`)
      .choices(['json', 'ndjson', 'table', 'csv'])
      .conflicts('json'),
  );
}
