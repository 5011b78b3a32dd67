// `wheelkeep completion <shell>`: what the Tab key knows, written from the same commands and options as `--help`.

import { Argument, Command } from 'commander';
import type { Terminal } from './command-line.ts';
import { bashScript } from './completion-bash.ts';
import { fishScript } from './completion-fish.ts';
import { zshScript } from './completion-zsh.ts';

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

export interface CompletedCommand {
  readonly name: string;
  /** One line, without quotes. */
  readonly description: string;
  readonly options: readonly CompletedOption[];
  /** What its argument may be; empty where files and other words are. */
  readonly argumentChoices: readonly string[];
}

export interface CompletedOption {
  /** With its dashes. */
  readonly name: string;
  readonly description: string;
  readonly takesValue: boolean;
  readonly choices: readonly string[];
}

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
