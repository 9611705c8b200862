import { type Argument, type Command, Option } from 'commander';
import { GPU_NAMES, LADDER_NAMES, MODEL_NAMES, POLICY_NAMES, TYPED_DEVICES } from '../names.js';

/** What can follow an option: nothing, one of some words, a file or folder, any word, or a file or one of some words. */
export interface Follows {
  readonly value: boolean;
  readonly files: boolean;
  readonly words: readonly string[];
}

/** An option as a shell completes it. */
export interface CompletedOption extends Follows {
  /** `--ranks`, and its short form where there is one. */
  readonly flags: readonly string[];
  readonly says: string;
}

/** A command as a shell completes it. */
export interface CompletedCommand {
  readonly name: string;
  readonly says: string;
  readonly options: readonly CompletedOption[];
  /** What stands beside options. */
  readonly argument: Follows;
}

/** Every command, from the declarations that parse it. */
export function completedCommands(commands: readonly Command[]): readonly CompletedCommand[] {
  return commands.map((command) => ({
    name: command.name(),
    says: firstSentence(command.description()),
    options: [...command.options, new Option('-h, --help', 'display help for command')]
      .filter((option) => !option.hidden)
      .map(completedOption),
    argument: argumentOf(command),
  }));
}

function completedOption(option: Option): CompletedOption {
  const { short, long, description } = option;
  const flags = [short, long].filter((flag) => typeof flag === 'string');
  const value = option.required || option.optional;
  return { flags, says: firstSentence(description), value, ...followsOf(option.flags, option.argChoices, long ?? '') };
}

/** Words that options take without declaring them as their only choices, by their long flags. */
const KNOWN: Readonly<Record<string, readonly string[]>> = {
  '--device': TYPED_DEVICES.match(/\b(auto|host|cuda|hip)\b(?!:)/g) ?? [],
  '--ladder': LADDER_NAMES,
  '--policy': POLICY_NAMES,
  '--cost-model': GPU_NAMES.flatMap((gpu) => MODEL_NAMES.map((model) => `${gpu}:${model}`)),
};

function followsOf(flags: string, choices: readonly string[] | undefined, long: string): Omit<Follows, 'value'> {
  return {
    files: /<[^>]*(file|dir|path|model)[^>]*>/.test(flags) && long !== '--cost-model',
    words: choices ?? KNOWN[long] ?? [],
  };
}

function argumentOf(command: Command): Follows {
  const [argument]: readonly Argument[] = command.registeredArguments;
  if (argument === undefined) return { value: false, files: false, words: [] };
  const words = argument.argChoices ?? [];
  return { value: true, files: words.length === 0, words };
}

/** Without what is in brackets, and on one line: a list of completions has room for no more. */
function firstSentence(text: string): string {
  return text
    .replace(/\s*\([^()]*\)/g, '')
    .replace(/[.:;].*$/s, '')
    .trim();
}
