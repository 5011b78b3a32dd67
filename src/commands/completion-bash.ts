// The completion of bash, by a function of its own: where it has nothing to say, files are offered.

import type { CompletedCommand } from './completion.ts';

export function bashScript(commands: readonly CompletedCommand[]): string {
  const names = commands.map(({ name }) => name).join(' ');
  const values = commands.flatMap(({ name, options }) =>
    options.flatMap((option) => {
      if (!option.takesValue) return [];
      return [
        `    '${name} ${option.name}') COMPREPLY=($(compgen -W '${option.choices.join(' ')}' -- "$word")); return ;;`,
      ];
    }),
  );
  const words = commands.map(({ name, options, argumentChoices }) => {
    const all = [...argumentChoices, ...options.map((option) => option.name)];
    return `    ${name}) words='${all.join(' ')}' ;;`;
  });
  return `_wheelkeep() {
  local word="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD - 1]}" command= words= at
  COMPREPLY=()
  for ((at = 1; at < COMP_CWORD; at++)); do
    # Behind the command of run stands somebody else's.
    [[ \${COMP_WORDS[at]} == -- ]] && return
    [[ -z $command && \${COMP_WORDS[at]} != -* ]] && command="\${COMP_WORDS[at]}"
  done
  case "$command $previous" in
${values.join('\n')}
  esac
  case "$command" in
    '') words='${names} --help --version' ;;
${words.join('\n')}
  esac
  # Files come first where a word begins like one.
  [[ -n $command && $word != -* && $command != completion ]] && return
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _wheelkeep wheelkeep`;
}
