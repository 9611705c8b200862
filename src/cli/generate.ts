import type { Command } from 'commander';
import type { Limits } from '../config.js';
import { readPlanFile } from '../formats/index.js';
import { createService, type GenerateOptions, type ServiceOptions } from '../service/index.js';
import { interrupts, unlessInterrupted } from './interrupts.js';
import { limitsOf, type PlannerFlags, policyOf } from './planner-options.js';

interface GenerateFlags extends PlannerFlags {
  readonly ranks: number;
  readonly tensorParallelSize: number;
  readonly device: NonNullable<ServiceOptions['device']>;
  readonly timeout: number;
  readonly maxTokens?: number;
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly seed: number;
  readonly stop: readonly string[];
  readonly ignoreEos?: boolean;
  readonly json?: boolean;
}

const SCHEMA_VERSION = 1;

/** Limits whose defaults follow from the model. */
const OF_MODEL = ['maxModelLen', 'numBlocks'] as const;

/** Goes on with a text, and prints what follows as it comes; as one document with `--json`. */
export async function generate(name: string, prompt: string, flags: GenerateFlags, command: Command): Promise<void> {
  await unlessInterrupted(async () => {
    await using service = await createService(await serviceOptions(name, flags, command));
    const { signal } = interrupts;
    const promptIds = [...service.encode(prompt)];
    const ends = new Set(service.options.model.eosTokenIds);
    const stream = service.generate(promptIds, { ...generateOptions(flags), signal });
    const outputIds: number[] = [];
    let outputText = '';
    if (flags.json !== true) process.stdout.write(prompt);
    // What may have no token ends without one.
    let finishReason = 'length';
    for await (const { token, text: piece = '', finishReason: reason } of stream) {
      const ended = reason === 'stop' && flags.ignoreEos !== true && ends.has(token);
      if (!ended) outputIds.push(token);
      outputText += piece;
      finishReason = reason ?? finishReason;
      if (flags.json !== true) process.stdout.write(piece);
    }
    if (flags.json !== true) {
      process.stdout.write('\n');
      return;
    }
    // A stop string ends within a token: the text then is what was given.
    const isCut = finishReason === 'stop' && flags.stop.length > 0;
    const text = isCut ? prompt + outputText : service.tokenizer?.decode([...promptIds, ...outputIds]);
    const document = { schemaVersion: SCHEMA_VERSION, promptIds, outputIds, text, outputText, finishReason };
    process.stdout.write(`${JSON.stringify(document)}\n`);
  });
}

function generateOptions(flags: GenerateFlags): GenerateOptions {
  const { maxTokens, temperature, topK, topP, seed, stop, ignoreEos = false } = flags;
  return { temperature, topK, topP, seed, stop, ignoreEos, ...(maxTokens === undefined ? {} : { maxTokens }) };
}

async function serviceOptions(name: string, flags: GenerateFlags, command: Command): Promise<ServiceOptions> {
  const { signal } = interrupts;
  const planFile = flags.plan === undefined ? undefined : await readPlanFile(flags.plan, { signal });
  const limits: { -readonly [K in keyof Limits]?: Limits[K] } = { ...limitsOf(flags, planFile?.plan) };
  for (const limit of OF_MODEL) if (command.getOptionValueSource(limit) === 'default') delete limits[limit];
  const { ranks, tensorParallelSize, device } = flags;
  return {
    model: name,
    ranks,
    tensorParallelSize,
    device,
    limits,
    policy: await policyOf(flags, planFile?.policy, signal),
    ...(planFile === undefined ? { ladder: flags.ladder } : { plan: planFile.plan }),
    timeoutMs: flags.timeout,
  };
}
