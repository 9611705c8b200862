import type { CompletedCommand, CompletedOption } from './completed-words.js';

/** A script for `lockstep completion fish | source`, or for fish's folder of completions. */
export function fishScript(commands: readonly CompletedCommand[]): string {
  const lines = [
    '# Completion of lockstep for fish: lockstep completion fish | source',
    'complete -c lockstep -f',
    ...commands.map(({ name, says }) => `complete -c lockstep -n __fish_use_subcommand -a ${name} -d ${quoted(says)}`),
    'complete -c lockstep -n __fish_use_subcommand -l version -d "output the version number"',
    ...commands.flatMap(commandLines),
  ];
  return `${lines.join('\n')}\n`;
}

function commandLines({ name, options, argument }: CompletedCommand): string[] {
  const when = `complete -c lockstep -n ${quoted(`__fish_seen_subcommand_from ${name}`)}`;
  const own = argument.words.length > 0 ? [`${when} -a ${quoted(argument.words.join(' '))}`] : [];
  return [
    ...own,
    ...(argument.files ? [`${when} -F`] : []),
    ...options.map((option) => `${when} ${optionWords(option)}`),
  ];
}

function optionWords({ flags, says, value, files, words }: CompletedOption): string {
  const names = flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
  const takes = value ? ['-r', files ? '-F' : '-f'] : [];
  const list = words.length > 0 ? [`-a ${quoted(words.join(' '))}`] : [];
  return [...names, ...takes, ...list, `-d ${quoted(says)}`].join(' ');
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
