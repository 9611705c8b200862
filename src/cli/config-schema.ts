import type { Command, Option } from 'commander';
import { allCommands } from './commands.js';
import {
  blocks,
  bytes,
  count,
  decimal,
  jsonOf,
  natural,
  ranks,
  seed64,
  sizeList,
  stepTime,
  tokenIds,
} from './option-values.js';

/** A JSON Schema, as far as this one goes. */
export type Schema = Readonly<Record<string, unknown>>;

/** The key of options for every command that has them. */
export const COMMON = 'common';

const SIZES: Schema = { anyOf: [{ type: 'array', items: { type: 'integer' }, minItems: 1 }, { type: 'string' }] };

/** What a value may be in JSON, by the function that reads its text on the command line. */
const TYPES: ReadonlyMap<unknown, Schema> = new Map<unknown, Schema>([
  [count, { type: 'integer', minimum: 1 }],
  [natural, { type: 'integer', minimum: 0 }],
  [ranks, { type: 'integer', minimum: 1 }],
  [blocks, { anyOf: [{ type: 'integer', minimum: 2 }, { const: 'auto' }] }],
  [decimal, { type: 'number' }],
  [seed64, { type: ['integer', 'string'] }],
  [bytes, { type: ['integer', 'string'] }],
  [stepTime, { anyOf: [{ type: 'array', items: { type: 'number' }, minItems: 3, maxItems: 3 }, { type: 'string' }] }],
  [sizeList, SIZES],
  [tokenIds, SIZES],
  [jsonOf, {}],
]);

/** The options of a command that a configuration may set: all that its help shows, `--config` and `--help` left out. */
export function settableOptions(command: Command): readonly Option[] {
  return command.options.filter((option) => !option.hidden && option.attributeName() !== 'config');
}

/** The JSON Schema (draft 07) of a file for `--config`: options by their names in camelCase, for every command or for one. */
export async function configSchema(): Promise<Schema> {
  const commands = (await allCommands()).filter((command) => settableOptions(command).length > 0);
  const sections = commands.map((command) => [command.name(), sectionOf([command], command.description())] as const);
  const every = `Options for every command that has them. What a command's own section says comes first, then a flag.`;
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Options of the lockstep command line, for --config',
    type: 'object',
    properties: {
      $schema: { type: 'string' },
      [COMMON]: sectionOf(commands, every),
      ...Object.fromEntries(sections),
    },
    additionalProperties: false,
  };
}

function sectionOf(commands: readonly Command[], description: string): Schema {
  const options = new Map<string, Option[]>();
  for (const option of commands.flatMap((command) => settableOptions(command))) {
    const name = option.attributeName();
    options.set(name, [...(options.get(name) ?? []), option]);
  }
  const properties = [...options].map(([name, alike]) => {
    // Where commands differ in a value, a file may say what any of them takes; the one that runs checks its own.
    const types = new Map(alike.map((option) => [JSON.stringify(typeOf(option)), typeOf(option)]));
    const type = types.size === 1 ? typeOf(alike[0] as Option) : { anyOf: [...types.values()] };
    return [name, { ...type, description: alike[0]?.description }] as const;
  });
  return { type: 'object', description, properties: Object.fromEntries(properties), additionalProperties: false };
}

function typeOf(option: Option): Schema {
  if (option.isBoolean() || option.negate) return { type: 'boolean' };
  if (option.argChoices !== undefined) return { enum: option.argChoices };
  if (isRepeated(option)) return { anyOf: [{ type: 'array', items: { type: 'string' } }, { type: 'string' }] };
  const known = TYPES.get(option.parseArg);
  if (known !== undefined) return known;
  return option.flags.includes('<sizes>') ? SIZES : { type: 'string' };
}

/** Whether the option may be given several times: its values are then a list, each as it is. */
export function isRepeated(option: Option): boolean {
  return Array.isArray(option.defaultValue) && !TYPES.has(option.parseArg);
}
