// The table of options in docs/configuration.md, generated from the one table.

import { CONFIG_VARIABLE, OPTIONS, STRUCTURES } from './options.ts';

/** Markdown: one row an option, then the keys that only the YAML file has. */
export function optionsTable(): string {
  const rows = Object.values(OPTIONS).map((option) => [
    `\`${option.name}\``,
    `\`${option.variable}\``,
    option.unit.name,
    option.default ? `\`${option.default}\`` : '',
    option.description,
    `\`${option.example}\``,
  ]);
  const structures = STRUCTURES.map(({ name, description }) => [`\`${name}\``, '', 'YAML', '', description, '']);
  const file = ['', `\`${CONFIG_VARIABLE}\``, 'path', '', 'The YAML file.', '`wheelkeep.yaml`'];
  const heading = ['key', 'variable', 'unit', 'default', 'what it is', 'example'];
  const table = [heading, heading.map(() => '---'), file, ...rows, ...structures];
  return table.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
