// The completion of fish, which knows descriptions, choices and subcommands by itself.

import type { CompletedCommand } from './completion.ts';

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
