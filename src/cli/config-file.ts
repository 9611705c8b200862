import type { ErrorObject } from 'ajv';
import { type Command, InvalidArgumentError, type Option } from 'commander';
import { LockstepError, shown } from '../errors.js';
import { allCommands } from './commands.js';
import { COMMON, configSchema, isRepeated, type Schema, settableOptions } from './config-schema.js';
import { interrupts } from './interrupts.js';
import { beforeEnd, isGiven } from './line.js';
import { meant } from './suggest.js';

type Section = Readonly<Record<string, unknown>>;

/**
 * The arguments with what the file of `--config` says as flags behind the command's name, so that flags given there come later and
 * override it. Without `--config` the arguments as they are. Errors: ERR_INPUT_INVALID, ERR_CONFIG_INVALID, ERR_ABORTED.
 */
export async function withConfig(program: Command, args: readonly string[]): Promise<string[]> {
  const [name = '', ...rest] = args;
  const command = program.commands.find((each) => each.name() === name);
  const file = fileIn(rest);
  if (command === undefined || file === undefined) return [...args];
  const config = await readConfig(file, command);
  const options = optionsOf(command);
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
  const own = beforeEnd(args);
  const at = own.findLastIndex((arg) => arg === '--config' || arg.startsWith('--config='));
  if (at < 0) return undefined;
  return own[at] === '--config' ? own[at + 1] : own[at]?.slice('--config='.length);
}

async function readConfig(file: string, command: Command): Promise<Readonly<Record<string, Section>>> {
  const { readWhole } = await import('../input/index.js');
  const text = await readWhole(file, { signal: interrupts.signal });
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch (cause) {
    const message = `${file} is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`;
    throw new LockstepError('ERR_CONFIG_INVALID', message, { file }, { cause });
  }
  const faults = await faultsOf(found, command);
  if (faults.length > 0) {
    const message = `${file} is no configuration:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`;
    throw new LockstepError('ERR_CONFIG_INVALID', message, { file, faults });
  }
  const { $schema: _, ...sections } = found as Record<string, Section>;
  return sections;
}

/** What of a document is not as the schema says, or as an option of `command` or of a section's own reads it, each with its place. */
async function faultsOf(document: unknown, command: Command): Promise<string[]> {
  const { Ajv } = await import('ajv');
  const schema = await configSchema();
  const validate = new Ajv({ allErrors: true, allowUnionTypes: true, verbose: true }).compile(schema);
  const errors = validate(document) ? [] : (validate.errors ?? []);
  const faults = new Map<string, string[]>();
  for (const error of errors) {
    // What is wrong with each alternative is said; that none holds follows.
    if (error.keyword === 'anyOf') continue;
    const parent = error.keyword === 'additionalProperties' ? ` ${error.params.additionalProperty}` : '';
    const key = `${error.instancePath}${parent}`;
    const said = faults.get(key) ?? [];
    const words = wordsOf(error);
    if (!said.includes(words)) faults.set(key, [...said, words]);
  }
  const shaped = [...faults].map(([key, words]) => {
    const at = key.split(' ')[0] as string;
    return `${at === '' ? 'the document' : at.slice(1).replaceAll('/', '.')} ${words.join(', or ')}`;
  });
  return [...shaped, ...(await unreadable(document, command, [...faults.keys()]))];
}

/** An error of the schema as the end of a sentence about its place. */
function wordsOf({ keyword, params, message, parentSchema }: ErrorObject): string {
  if (keyword === 'additionalProperties') {
    const names = Object.keys((parentSchema as { properties: Schema }).properties);
    return `has no ${params.additionalProperty}.${meant(params.additionalProperty, names)}`;
  }
  if (keyword === 'const') return `must be ${JSON.stringify(params.allowedValue)}`;
  return `${message}${keyword === 'enum' ? `: ${params.allowedValues.join(', ')}` : ''}`;
}

/** Values that their options do not read, where the schema found nothing at their place. */
async function unreadable(document: unknown, command: Command, found: readonly string[]): Promise<string[]> {
  const commands = await allCommands();
  const faults: string[] = [];
  for (const [name, section] of Object.entries(document ?? {})) {
    const own = name === COMMON ? command : commands.find((each) => each.name() === name);
    if (own === undefined || typeof section !== 'object' || section === null) continue;
    const options = optionsOf(own);
    for (const [key, value] of Object.entries(section)) {
      const place = `/${name}/${key}`;
      if (found.some((each) => each === place || each.startsWith(`${place}/`))) continue;
      const fault = faultOf(key, value, options);
      if (fault !== null) faults.push(`${name}.${key} is ${shown(value)}; ${fault}`);
    }
  }
  return faults;
}

/** Why an option does not take a value; null where it does, or where the command has no such option. */
function faultOf(key: string, value: unknown, options: ReadonlyMap<string, Option>): string | null {
  const option = options.get(key);
  if (option === undefined) return null;
  if (typeof value === 'boolean') return option.isBoolean() ? null : `${option.flags} takes a value`;
  try {
    for (const text of textsOf(option, value)) option.parseArg?.(text, option.defaultValue as never);
    return null;
  } catch (error) {
    if (error instanceof InvalidArgumentError || error instanceof LockstepError) {
      return error.message.replace(/^It /, 'it ').replace(/\.$/, '');
    }
    throw error;
  }
}

/** A value as flags: none where it says what is so without. */
function flagsFor(key: string, value: unknown, options: ReadonlyMap<string, Option>): string[] {
  const option = options.get(key);
  const negated = options.get(`no-${key}`);
  if (typeof value === 'boolean') {
    const flag = value ? option?.long : negated?.long;
    return flag === undefined || flag === null ? [] : [flag];
  }
  // A section of all commands may name what this one has not.
  if (option === undefined) return [];
  return textsOf(option, value).map((text) => `${option.long}=${text}`);
}

/** A value as the texts that its option reads: several where it may be given again. */
function textsOf(option: Option, value: unknown): string[] {
  const values: readonly unknown[] = isRepeated(option) && Array.isArray(value) ? value : [value];
  return values.map(textOf);
}

function textOf(value: unknown): string {
  if (Array.isArray(value) && value.every((each) => typeof each !== 'object')) return value.join(',');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** A command's options by their names. */
function optionsOf(command: Command): Map<string, Option> {
  return new Map(settableOptions(command).map((option) => [nameOf(option), option]));
}

/** Options that negate have the name of what they negate: `no-` tells them apart. */
function nameOf(option: Option): string {
  return option.negate ? `no-${option.attributeName()}` : option.attributeName();
}
