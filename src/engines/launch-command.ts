import { LockstepError, shown } from '../errors.js';
import { shellWords } from './shell-words.js';

/** The command of a text that starts an engine, and the environment that it runs in. */
export interface LaunchCommand {
  /** The words of the command, without redirections and comments. */
  readonly words: readonly string[];
  /** What `export`, a prefix (`NAME=value command`) and `docker run -e` set. */
  readonly environment: ReadonlyMap<string, string>;
  /** Words of variables that the text does not set, which may stand for flags. */
  readonly unresolved: readonly string[];
}

const ASSIGNMENT = /^([A-Za-z_]\w*)=(.*)$/s;
/** A word in angle brackets, as documentation writes what is to be filled in, is no redirection. */
const PLACEHOLDER = /^<[\w./-]{1,80}>/;
/** Where a redirection begins, with the number of what it redirects before it. */
const REDIRECTION = /^(?:\d{0,3}|&)(?:<{1,3}|>{1,2})[&|]?/;
const SEPARATOR = /^(?:&&|\|\||\|&?|;|&|\r?\n)/;

/**
 * Reads a text as a shell would: of its commands the first for which `starts` holds, else the longest, without what follows a pipe or `&`. A line that
 * begins with a flag goes on with the line before. The script of `bash -c` is read in place of it, and where nothing else starts an engine, so is
 * one in quotes (`ssh host "…"`). Variables that the text sets, and defaults of others (`${NAME:-8}`), are put in.
 * Errors: ERR_INPUT_INVALID for a quote that is not closed, and for typographic dashes and quotes.
 */
export function launchCommand(text: string, starts: (words: readonly string[]) => boolean): LaunchCommand {
  const quoted = (words: readonly string[], at: number): boolean => opens(words[at], starts);
  const plain = commandsOf(text).flatMap((words) => scripted(words, isShell, MOST_SCRIPTS, starts));
  const commands = plain.some(starts) ? plain : plain.flatMap((words) => scripted(words, quoted, MOST_SCRIPTS, starts));
  const exported = commands.filter(([word]) => word === 'export').flatMap((words) => assignments(words.slice(1)));
  const set = commands.filter((words) => words.every((word) => ASSIGNMENT.test(word))).flatMap(assignments);
  const others = commands.filter(([word]) => word !== 'export');
  const { words, unresolved } = expanded(others.find(starts) ?? longestOf(others), new Map([...set, ...exported]));
  for (const word of words) refuseTypographic(word);
  const flag = words.findIndex((word) => word.startsWith('-'));
  const before = assignments(flag < 0 ? words : words.slice(0, flag));
  const passed = words.flatMap((word, at) =>
    word === '-e' || word === '--env' ? assignments([words[at + 1] ?? '']) : [],
  );
  return { words, environment: new Map([...exported, ...before, ...passed]), unresolved };
}

/** Most scripts within scripts. */
const MOST_SCRIPTS = 4;

const SHELL = /(?:^|\/)(?:ba|da|z|k)?sh$/;
const SHELL_FLAG = /^-\w*c$/;

/** Whether the words before a script say that it is one: `bash -c`, `sh -l -c`. */
function isShell(words: readonly string[], at: number): boolean {
  return shellBefore(words, at) >= 0;
}

/** A flag of a shell that takes a word: `-o pipefail`, `-euo pipefail`. */
const SHELL_OPTION = /^-\w*o$/;

/** Where the words of the shell begin that runs the script at `at`, or -1: its program, or its flags behind an image that has it as `--entrypoint`. */
function shellBefore(words: readonly string[], at: number): number {
  if (!SHELL_FLAG.test(words[at - 1] ?? '')) return -1;
  let program = at - 1;
  while (program >= 0 && (words[program].startsWith('-') || SHELL_OPTION.test(words[program - 1] ?? ''))) program--;
  if (SHELL.test(words[program] ?? '')) return program;
  return words.slice(0, program).some((word, place) => SHELL.test(entrypoint(word, words[place + 1])))
    ? program + 1
    : -1;
}

/** The program of `--entrypoint sh` or `--entrypoint=sh`; empty for another word. */
function entrypoint(word: string, next: string): string {
  if (word === '--entrypoint') return next;
  return word.startsWith('--entrypoint=') ? word.slice('--entrypoint='.length) : '';
}

/** Whether a word is a script with a command that starts an engine. */
function opens(word: string, starts: (words: readonly string[]) => boolean): boolean {
  try {
    return commandsOf(word).some(starts);
  } catch {
    return false;
  }
}

/** A command whose words hold a script, as the commands of the script, that which starts an engine after what stands before it: the image it runs in. */
function scripted(
  words: readonly string[],
  isScript: (words: readonly string[], at: number) => boolean,
  levels: number,
  starts: (words: readonly string[]) => boolean,
): (readonly string[])[] {
  const at = words.findIndex((word, place) => /\s/.test(word) && !ASSIGNMENT.test(word) && isScript(words, place));
  if (at < 0 || levels === 0) return [words];
  const shell = shellBefore(words, at);
  const before = words.slice(0, shell < 0 ? at : shell);
  const inner = commandsOf(words[at]);
  const chosen = inner.find(starts) ?? longestOf(inner.filter(([word]) => word !== 'export'));
  return inner.flatMap((own) => (own === chosen ? scripted([...before, ...own], isScript, levels - 1, starts) : [own]));
}

function longestOf(commands: readonly (readonly string[])[]): readonly string[] {
  return commands.reduce<readonly string[]>((most, words) => (words.length > most.length ? words : most), []);
}

/** `$NAME`, `${NAME}`, `${NAME:-default}`. */
const VARIABLE = /\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?::?[-=]([^{}]*))?\})/g;
/** A word that is a variable alone, the arguments of a script, or the output of a command. */
const BARE = /^(?:\$[A-Za-z_]\w*|\$\{[^{}]*\}|\$[@*]|\$\(\))$/;

/** The words with the values of variables, several of a value that holds flags. A word of a variable that is not set stays where it is a flag's value or a model. */
function expanded(
  words: readonly string[],
  values: ReadonlyMap<string, string>,
): { readonly words: string[]; readonly unresolved: string[] } {
  const unresolved: string[] = [];
  const found = words.flatMap((word, at) => {
    const value = word.replace(VARIABLE, (whole, plain?: string, braced?: string, otherwise?: string) => {
      return values.get(plain ?? braced ?? '') ?? otherwise ?? whole;
    });
    if (value !== word) return BARE.test(word) && /^\s*-/.test(value) ? shellWords(value) : [value];
    const before = words[at - 1] ?? '';
    if (!BARE.test(word) || (word !== '$@' && /^-|^serve$/.test(before))) return [word];
    unresolved.push(word);
    return [];
  });
  return { words: found, unresolved };
}

function assignments(words: readonly string[]): [string, string][] {
  return words.flatMap((word): [string, string][] => {
    const [, name, value] = ASSIGNMENT.exec(word) ?? [];
    return name === undefined || value === undefined ? [] : [[name, value]];
  });
}

/** The words of each command. Quotes hide everything from the shell but their own end. */
function commandsOf(text: string): string[][] {
  const commands: string[][] = [];
  let piece = '';
  let [lineBegins, redirected] = [false, false];
  const close = (): void => {
    let words = shellWords(piece);
    if (redirected) words = words.slice(1);
    piece = '';
    const last = commands.at(-1);
    if (last !== undefined && !ended) last.push(...words);
    else if (words.length > 0) {
      if (last !== undefined && lineBegins && words[0].startsWith('-')) last.push(...words);
      else commands.push(words);
      ended = false;
    }
    redirected = false;
  };
  let ended = true;
  for (let at = 0; at < text.length; ) {
    const rest = text.slice(at, at + 96);
    const atWord = piece === '' || /\s/.test(text[at - 1]);
    if (text[at] === "'" || text[at] === '"') {
      const end = quoteEnd(text, at);
      piece += text.slice(at, end);
      at = end;
      continue;
    }
    if (rest.startsWith('$(')) {
      // What a command in a command prints is not known.
      piece += '$()';
      at = substitutionEnd(text, at);
      continue;
    }
    const kept = text[at] === '\\' ? rest.slice(0, rest.startsWith('\\\r\n') ? 3 : 2) : PLACEHOLDER.exec(rest)?.[0];
    if (kept !== undefined) {
      piece += kept;
      at += kept.length;
      continue;
    }
    if (text[at] === '#' && atWord) {
      while (at < text.length && text[at] !== '\n') at++;
      continue;
    }
    const redirection = REDIRECTION.exec(rest)?.[0];
    if (redirection !== undefined && (atWord || !/^\d/.test(redirection))) {
      close();
      redirected = true;
      at += redirection.length;
      continue;
    }
    const separator = SEPARATOR.exec(rest)?.[0];
    if (separator !== undefined) {
      close();
      ended = true;
      lineBegins = separator.endsWith('\n');
      at += separator.length;
      continue;
    }
    piece += text[at];
    at++;
  }
  close();
  return commands;
}

/** Where the `$(…)` that begins at `at` ends. */
function substitutionEnd(text: string, at: number): number {
  let depth = 0;
  for (let end = at + 1; end < text.length; end++) {
    if (text[end] === '(') depth++;
    else if (text[end] === ')' && --depth === 0) return end + 1;
  }
  return text.length;
}

/** Where the quote that begins at `at` ends. */
function quoteEnd(text: string, at: number): number {
  const quote = text[at];
  for (let end = at + 1; end < text.length; end++) {
    if (text[end] === '\\' && quote === '"') end++;
    else if (text[end] === quote) return end + 1;
  }
  throw new LockstepError(
    'ERR_INPUT_INVALID',
    `the quote in ${shown(text.slice(at, at + 40))} is not closed: end it with ${quote}`,
    { at },
  );
}

function refuseTypographic(word: string): void {
  if (!/^[\u2010-\u2015\u2212]|[\u2018\u2019\u201c\u201d]/.test(word)) return;
  throw new LockstepError(
    'ERR_INPUT_INVALID',
    `${shown(word)} has a typographic dash or quote, which no shell reads: write -- and straight quotes`,
    { word },
  );
}
