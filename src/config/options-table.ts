// README's table of options, generated from the one table. `npm run readme` writes it, a test compares it.

import { readFileSync, writeFileSync } from 'node:fs';
import { CONFIG_VARIABLE, OPTIONS, STRUCTURES } from './options.ts';

const OPENING = '<!-- options -->';
const CLOSING = '<!-- /options -->';

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

/** `readme` with what stands between the two markers replaced by the table; throws when a marker is missing. */
export function withOptionsTable(readme: string): string {
  const start = readme.indexOf(OPENING);
  const end = readme.indexOf(CLOSING);
  if (start < 0 || end < start) throw new Error(`README.md needs the lines ${OPENING} and ${CLOSING}`);
  return `${readme.slice(0, start + OPENING.length)}\n${optionsTable()}\n${readme.slice(end)}`;
}

if (import.meta.main) {
  const path = new URL('../../README.md', import.meta.url);
  writeFileSync(path, withOptionsTable(readFileSync(path, 'utf8')));
}
