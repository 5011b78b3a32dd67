// The completion of zsh: commands and options with what they are for.

import type { CompletedCommand, CompletedOption } from './completion.ts';

export function zshScript(commands: readonly CompletedCommand[]): string {
  const described = commands.map(({ name, description }) => `    '${name}:${description}'`);
  const cases = commands.map(({ name, options, argumentChoices }) => {
    const specs = [...options.map(optionSpec), argumentSpec(name, argumentChoices)];
    return `    ${name}) _arguments ${specs.join(' ')} ;;`;
  });
  return `#compdef wheelkeep
_wheelkeep() {
  local -a commands=(
${described.join('\n')}
  )
  if ((CURRENT == 2)); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  ((CURRENT--))
  case $command in
${cases.join('\n')}
  esac
}
compdef _wheelkeep wheelkeep`;
}

function argumentSpec(command: string, choices: readonly string[]): string {
  if (choices.length > 0) return `'1: :(${choices.join(' ')})'`;
  // Behind the command of run stands somebody else's.
  return command === 'run' ? `'*:: :_normal'` : `'*: :_files'`;
}

function optionSpec({ name, description, takesValue, choices }: CompletedOption): string {
  const value = choices.length > 0 ? `: :(${choices.join(' ')})` : ': :_files';
  return `'${name}[${description}]${takesValue ? value : ''}'`;
}
