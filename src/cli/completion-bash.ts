import type { CompletedCommand, CompletedOption } from './completed-words.js';

/** A script for `source <(lockstep completion bash)`; it needs nothing but bash. */
export function bashScript(commands: readonly CompletedCommand[]): string {
  return `# Completion of lockstep for bash: source <(lockstep completion bash)
_lockstep() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} name=\${COMP_WORDS[1]}
  # bash splits words at = and : too.
  [ "$word" = = ] && word=
  [ "$before" = = ] && before=\${COMP_WORDS[COMP_CWORD-2]}
  COMPREPLY=()
  if [ "$COMP_CWORD" = 1 ]; then
    COMPREPLY=($(compgen -W '${commands.map(({ name }) => name).join(' ')} help --help --version' -- "$word"))
    return
  fi
  case $name in
${commands.map(commandCase).join('\n')}
  help)
    COMPREPLY=($(compgen -W '${commands.map(({ name }) => name).join(' ')}' -- "$word"))
    ;;
  esac
}
complete -o bashdefault -o nosort -F _lockstep lockstep 2>/dev/null || complete -F _lockstep lockstep
`;
}

function commandCase({ name, options, argument }: CompletedCommand): string {
  const flags = options.flatMap((option) => option.flags).filter((flag) => flag.startsWith('--'));
  return `  ${name})
    case $before in
${options
  .filter(({ value }) => value)
  .map(optionCase)
  .join('\n')}
    esac
    case $word in
    -*) COMPREPLY=($(compgen -W '${flags.join(' ')}' -- "$word")) ;;
    *) ${replies(argument.words, argument.files)} ;;
    esac
    ;;`;
}

function optionCase({ flags, words, files }: CompletedOption): string {
  return `    ${flags.join(' | ')}) ${replies(words, files)}; return ;;`;
}

function replies(words: readonly string[], files: boolean): string {
  const list = words.length > 0 ? [`COMPREPLY+=($(compgen -W '${words.join(' ')}' -- "$word"))`] : [];
  const names = files
    ? ['compopt -o filenames 2>/dev/null', `mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$word")`]
    : [];
  return [...list, ...names].join('; ') || ':';
}
