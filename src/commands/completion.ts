// `wheelkeep completion <shell>`: what the Tab key knows, written from the same commands and options as `--help`.

import { Argument, Command } from 'commander';
import type { Terminal } from './command-line.ts';

const SCRIPTS: Readonly<Record<string, (commands: readonly CompletedCommand[]) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

const EXAMPLES = `
Examples:
  $ wheelkeep completion bash > ~/.local/share/bash-completion/completions/wheelkeep
  $ source <(wheelkeep completion zsh)
  $ wheelkeep completion fish > ~/.config/fish/completions/wheelkeep.fish

Exit codes: 0 printed, 2 the command line is wrong.`;

/** A command with its options, for completion. */
export interface CompletedCommand {
  readonly name: string;
  /** One line, without quotes. */
  readonly description: string;
  readonly options: readonly CompletedOption[];
  /** What its argument may be; empty where files and other words are. */
  readonly argumentChoices: readonly string[];
}

/** An option with the values that complete it. */
export interface CompletedOption {
  /** With its dashes. */
  readonly name: string;
  readonly description: string;
  readonly takesValue: boolean;
  readonly choices: readonly string[];
}

/** `wheelkeep completion`. */
export function completionCommand(terminal: Pick<Terminal, 'outText'>): Command {
  return new Command('completion')
    .description('print what makes the Tab key of a shell complete wheelkeep')
    .addArgument(new Argument('<shell>', 'the shell').choices(Object.keys(SCRIPTS)))
    .addHelpText('after', EXAMPLES)
    .action((shell: string, _given: unknown, command: Command) => {
      const commands = command.parent!.commands.map(completed);
      terminal.outText(SCRIPTS[shell]!(commands));
    });
}

function completed(command: Command): CompletedCommand {
  const options = command.createHelp().visibleOptions(command);
  return {
    name: command.name(),
    description: plain(command.description()),
    options: options.map(({ long, short, description, required, optional, argChoices }) => ({
      name: long ?? short ?? '',
      description: plain(description),
      takesValue: required || optional,
      choices: argChoices ?? [],
    })),
    argumentChoices: command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []),
  };
}

/** Without what would end a quotation or begin an expansion in a shell. */
function plain(description: string): string {
  return description.replaceAll(/['"`$\\[\]]/g, '').replaceAll(':', ',');
}

// The completion of bash, by a function of its own: where it has nothing to say, files are offered.

/** The script for bash. */
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

// The completion of fish, which knows descriptions, choices and subcommands by itself.

/** The script for fish. */
export function fishScript(commands: readonly CompletedCommand[]): string {
  const lines = commands.flatMap(({ name, description, options, argumentChoices }) => {
    const within = `complete -c wheelkeep -n '__fish_seen_subcommand_from ${name}'`;
    return [
      `complete -c wheelkeep -f -n __fish_use_subcommand -a ${name} -d '${description}'`,
      ...(argumentChoices.length > 0 ? [`${within} -f -a '${argumentChoices.join(' ')}'`] : []),
      ...options.map((option) => {
        const choices = option.choices.length > 0 ? ` -x -a '${option.choices.join(' ')}'` : ' -r';
        return `${within} -l ${option.name.slice(2)} -d '${option.description}'${option.takesValue ? choices : ''}`;
      }),
    ];
  });
  return lines.join('\n');
}

// The completion of zsh: commands and options with what they are for.

/** The script for zsh. */
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
