import { shellQuoted } from '../text.js';
import type { CompletedCommand, CompletedOption, Follows } from './completed-words.js';

/** A script for a folder of zsh's `fpath`, as `_lockstep`, or for `source <(lockstep completion zsh)` after `compinit`. */
export function zshScript(commands: readonly CompletedCommand[]): string {
  const names = commands.map(({ name, says }) => `    ${shellQuoted(`${escaped(name)}:${says}`)}`);
  return `#compdef lockstep
# Completion of lockstep for zsh: lockstep completion zsh > a folder of fpath/_lockstep
_lockstep() {
  local curcontext=$curcontext state line
  local -a commands
  commands=(
${names.join('\n')}
  )
  _arguments -C '(- *)--help[display help for command]' '(- *)--version[output the version number]' '1: :->command' '*:: :->rest'
  case $state in
  command) _describe -t commands command commands ;;
  rest)
    case $words[1] in
${commands.map(commandCase).join('\n')}
    esac
    ;;
  esac
}
# As a file of fpath this is the function itself; sourced, it is registered.
if [ "$funcstack[1]" = _lockstep ]; then _lockstep "$@"; else compdef _lockstep lockstep; fi
`;
}

function commandCase({ name, options, argument }: CompletedCommand): string {
  const lines = options.flatMap(optionLines);
  const rest = argument.value ? [shellQuoted(`*: :${actionOf(argument)}`)] : [];
  return `    ${name})
      _arguments ${[...lines, ...rest].join(' \\\n        ')}
      ;;`;
}

function optionLines({ flags, says, ...follows }: CompletedOption): string[] {
  return flags.map((flag) => {
    const value = follows.value ? `: :${actionOf(follows)}` : '';
    return shellQuoted(
      `*${flag}${follows.value ? '=' : ''}[${says.replace(/[[\]\\]/g, '\\$&')}]${value}`.replace(/^\*(-\w)=/, '*$1+'),
    );
  });
}

function actionOf({ words, files }: Follows): string {
  const list = words.length > 0 ? words.map(escaped).join(' ') : '';
  if (list !== '' && files) return `{_alternative 'words: :(${list})' 'files: :_files'}`.replaceAll("'", '"');
  if (list !== '') return `(${list})`;
  return files ? '_files' : ' ';
}

function escaped(word: string): string {
  return word.replaceAll(':', '\\:');
}
