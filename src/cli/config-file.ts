import type { Command, Option } from 'commander';
import { LockstepError } from '../errors.js';
import { COMMON, configSchema, isRepeated, type Schema, settableOptions } from './config-schema.js';
import { meant } from './suggest.js';

type Section = Readonly<Record<string, unknown>>;

/**
 * The arguments with what the file of `--config` says as flags behind the command's name, so that flags given there come later and
 * override it. Without `--config` the arguments as they are. Errors: ERR_INPUT_INVALID, ERR_CONFIG_INVALID.
 */
export async function withConfig(program: Command, args: readonly string[]): Promise<string[]> {
  const [name = '', ...rest] = args;
  const command = program.commands.find((each) => each.name() === name);
  const file = fileIn(rest);
  if (command === undefined || file === undefined) return [...args];
  const config = await readConfig(file);
  const options = new Map(settableOptions(command).map((option) => [nameOf(option), option]));
  const given = command.options.filter((option) => isGiven(option, rest));
  const flags: string[] = [];
  for (const [key, value] of Object.entries({ ...config[COMMON], ...config[name] })) {
    const option = options.get(key) ?? options.get(`no-${key}`);
    // What the line says, or says something else than, is not taken from the file.
    if (option !== undefined && given.some((other) => excludes(other, option))) continue;
    flags.push(...flagsFor(key, value, options));
  }
  return [name, ...flags, ...rest];
}

/** Whether an option is among the arguments before `--`. */
function isGiven({ long, short }: Option, args: readonly string[]): boolean {
  const end = args.indexOf('--');
  const own = end < 0 ? args : args.slice(0, end);
  return own.some((arg) => arg === long || arg === short || arg.startsWith(`${long}=`));
}

/** Whether two options are one, or cannot be given together. */
function excludes(given: Option, option: Option): boolean {
  const [one, other] = [given.attributeName(), option.attributeName()];
  return one === other || conflictsOf(given).includes(other) || conflictsOf(option).includes(one);
}

/** Names of what an option cannot be given with, which commander keeps and does not declare. */
function conflictsOf(option: Option): readonly string[] {
  return (option as Option & { readonly conflictsWith?: readonly string[] }).conflictsWith ?? [];
}

/** The last `--config FILE` or `--config=FILE` before `--`. */
function fileIn(args: readonly string[]): string | undefined {
  const end = args.indexOf('--');
  const own = end < 0 ? args : args.slice(0, end);
  const at = own.findLastIndex((arg) => arg === '--config' || arg.startsWith('--config='));
  if (at < 0) return undefined;
  return own[at] === '--config' ? own[at + 1] : own[at]?.slice('--config='.length);
}

async function readConfig(file: string): Promise<Readonly<Record<string, Section>>> {
  const { readWhole } = await import('../input/index.js');
  const text = await readWhole(file);
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch (cause) {
    const message = `${file} is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`;
    throw new LockstepError('ERR_CONFIG_INVALID', message, { file }, { cause });
  }
  const faults = await faultsOf(found);
  if (faults.length > 0) {
    const message = `${file} is no configuration:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`;
    throw new LockstepError('ERR_CONFIG_INVALID', message, { file, faults });
  }
  const { $schema: _, ...sections } = found as Record<string, Section>;
  return sections;
}

/** What of a document is not as the schema says, each with its place. */
async function faultsOf(document: unknown): Promise<string[]> {
  const { Ajv } = await import('ajv');
  const schema = await configSchema();
  const validate = new Ajv({ allErrors: true, allowUnionTypes: true, verbose: true }).compile(schema);
  if (validate(document)) return [];
  const faults = (validate.errors ?? []).map(({ instancePath, keyword, params, message, parentSchema }) => {
    const place = instancePath === '' ? 'the document' : instancePath.slice(1).replaceAll('/', '.');
    if (keyword === 'additionalProperties') {
      const names = Object.keys((parentSchema as { properties: Schema }).properties);
      return `${place} has no ${params.additionalProperty}.${meant(params.additionalProperty, names)}`;
    }
    const choices = keyword === 'enum' ? `: ${params.allowedValues.join(', ')}` : '';
    return `${place} ${message}${choices}`;
  });
  return [...new Set(faults)];
}

/** A value as flags: none where it says what is so without. */
function flagsFor(key: string, value: unknown, options: ReadonlyMap<string, Option>): string[] {
  const option = options.get(key);
  const negated = options.get(`no-${key}`);
  if (typeof value === 'boolean') {
    if (option !== undefined && !option.isBoolean()) {
      throw new LockstepError('ERR_CONFIG_INVALID', `${key} is ${value}, and ${option.flags} takes a value`, { key });
    }
    const flag = value ? option?.long : negated?.long;
    return flag === undefined || flag === null ? [] : [flag];
  }
  // A section of all commands may name what this one has not.
  if (option === undefined) return [];
  const values = isRepeated(option) && Array.isArray(value) ? value : [value];
  return values.map((each) => `${option.long}=${textOf(each)}`);
}

function textOf(value: unknown): string {
  if (Array.isArray(value) && value.every((each) => typeof each !== 'object')) return value.join(',');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** Options that negate have the name of what they negate: `no-` tells them apart. */
function nameOf(option: Option): string {
  return option.negate ? `no-${option.attributeName()}` : option.attributeName();
}
