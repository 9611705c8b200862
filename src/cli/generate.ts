import type { Command } from 'commander';
import { LockstepError } from '../errors.js';
import { createService, type GeneratedToken, type GenerateOptions, type ServiceOptions } from '../service/index.js';
import { interrupts, unlessInterrupted } from './interrupts.js';
import { plannedService } from './model-options.js';
import type { PlannerFlags, PoolFlags } from './planner-options.js';

interface GenerateFlags extends PlannerFlags, PoolFlags {
  readonly ranks: number;
  readonly tensorParallelSize: number;
  readonly device: NonNullable<ServiceOptions['device']>;
  readonly timeout: number;
  readonly maxTokens?: number;
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly seed: bigint;
  readonly promptIds?: readonly number[];
  readonly stop: readonly string[];
  readonly ignoreEos?: boolean;
  readonly async?: boolean;
  readonly json?: boolean;
}

const SCHEMA_VERSION = 1;

/** Goes on with a text, or with tokens, and prints what follows as it comes; as one document with `--json`. */
export async function generate(
  name: string,
  prompt: string | undefined,
  flags: GenerateFlags,
  command: Command,
): Promise<void> {
  const given = promptOf(prompt, flags.promptIds);
  await unlessInterrupted(async () => {
    await using service = await createService(await serviceOptions(name, flags, command));
    if (typeof given === 'string' && service.tokenizer === null) throw noTokenizer(name);
    const promptIds = [...service.encode(given)];
    const stream = service.generate(promptIds, { ...generateOptions(flags), signal: interrupts.signal });
    const ends = flags.ignoreEos === true ? [] : service.options.model.eosTokenIds;
    if (flags.json !== true) return await print(stream, prompt ?? '', service.tokenizer !== null);
    const said: GeneratedToken[] = [];
    for await (const token of stream) said.push(token);
    const finishReason = said.at(-1)?.finishReason ?? 'length';
    const ended = finishReason === 'stop' && ends.includes(said.at(-1)?.token ?? -1);
    const outputIds = said.slice(0, ended ? -1 : undefined).map(({ token }) => token);
    const outputText = said.map(({ text = '' }) => text).join('');
    // A stop string ends within a token: the text then is what was given.
    const isCut = finishReason === 'stop' && !ended;
    const text = isCut ? `${prompt ?? ''}${outputText}` : service.tokenizer?.decode([...promptIds, ...outputIds]);
    const blocks = flags.numBlocks === 'auto' ? { numBlocks: service.numBlocks } : {};
    const document = { schemaVersion: SCHEMA_VERSION, promptIds, outputIds, text, outputText, finishReason, ...blocks };
    process.stdout.write(`${JSON.stringify(document)}\n`);
  });
}

/** Prints text as it comes; ids, where there is no tokenizer. What ends it early finds the line ended. */
async function print(stream: AsyncIterable<GeneratedToken>, prompt: string, isText: boolean): Promise<void> {
  process.stdout.write(prompt);
  try {
    for await (const { token, text = '' } of stream) process.stdout.write(isText ? text : `${token} `);
  } finally {
    process.stdout.write('\n');
  }
}

function promptOf(prompt: string | undefined, promptIds: readonly number[] | undefined): string | readonly number[] {
  const given = prompt ?? promptIds;
  if (given !== undefined && (prompt === undefined || promptIds === undefined)) return given;
  throw new LockstepError(
    'ERR_CONFIG_INVALID',
    given === undefined
      ? 'There is no prompt; give a text, or --prompt-ids'
      : 'A text and --prompt-ids are given; leave one out',
    { options: ['--prompt-ids'] },
  );
}

function noTokenizer(name: string): LockstepError {
  return new LockstepError(
    'ERR_INPUT_INVALID',
    `${name} has no tokenizer, so it takes no text; give --prompt-ids 1,2,3`,
    {
      options: ['--prompt-ids'],
    },
  );
}

function generateOptions(flags: GenerateFlags): GenerateOptions {
  const { maxTokens, temperature, topK, topP, seed, stop, ignoreEos = false } = flags;
  return { temperature, topK, topP, seed, stop, ignoreEos, ...(maxTokens === undefined ? {} : { maxTokens }) };
}

async function serviceOptions(name: string, flags: GenerateFlags, command: Command): Promise<ServiceOptions> {
  const { ranks, tensorParallelSize, device, timeout: timeoutMs } = flags;
  const async = flags.async === true;
  return {
    model: name,
    ranks,
    tensorParallelSize,
    device,
    timeoutMs,
    async,
    ...(await plannedService(flags, command)),
  };
}
