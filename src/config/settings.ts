// The value of every option: flag before environment before file before default. Each comes with its source, and
// every mistake is collected with the key, the value and what would be right.

import { readFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { CONFIG_VARIABLE, OPTIONS, type OptionKey, type Settings } from './options.ts';
import { nearest, type Problem } from './problems.ts';
import { InvalidValue } from './units.ts';
import type { YamlFile } from './yaml-file.ts';

/** Where configuration comes from. */
export interface ConfigInput {
  /** Flags by option key, and `config`, the path of the YAML file. */
  readonly flags: Readonly<Partial<Record<OptionKey | 'config', string>>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Relative paths of flags and variables start here; those of the file at its own folder. */
  readonly cwd: string;
  /**
   * The default data folder starts here: in a checkout, whose commands are typed in many folders and mean one cache, at
   * the checkout.
   */
  readonly home: string;
}

/** Every option with its value and its source, and the structures of the file. */
export interface ReadSettings {
  readonly settings: Settings;
  /** Where each value was found: `--port`, `WHEELKEEP_PORT`, `wheelkeep.yaml line 3`, `default`. */
  readonly sources: Readonly<Record<OptionKey, string>>;
  readonly file: (YamlFile & { readonly path: string }) | undefined;
  readonly problems: readonly Problem[];
}

interface Written {
  readonly text: string | undefined;
  readonly source: string;
}

/** Reads flags, variables and the file, in this order. Problems are collected, not thrown. */
export async function readSettings(input: ConfigInput): Promise<ReadSettings> {
  const problems: Problem[] = unknownVariables(input.env);
  const file = await namedFile(input, problems);
  if (file) problems.push(...file.problems);

  const settings: Record<string, unknown> = {};
  const sources = {} as Record<OptionKey, string>;
  for (const key of Object.keys(OPTIONS) as OptionKey[]) {
    const option = OPTIONS[key];
    const { text, source } = written(key, input, file, problems);
    sources[key] = source;
    if (text === undefined) continue;
    try {
      settings[key] = option.unit.parse(text);
    } catch (error) {
      if (!(error instanceof InvalidValue)) throw error;
      problems.push({ key: option.name, value: option.secret ? undefined : text, source, cure: error.message });
      if (option.default !== undefined) settings[key] = option.unit.parse(option.default);
    }
  }
  return { settings: settings as Settings, sources, file, problems };
}

/** An option's path, absolute: one that a file names starts at that file's folder, any other at `cwd`. */
export function pathOf(
  { settings, sources, file }: ReadSettings,
  key: 'dataDir' | 'caFile' | 'auditLog' | 'tlsCertFile' | 'tlsKeyFile' | 'clientsFile',
  cwd: string,
): string | undefined {
  const path = settings[key];
  const fromFile = file !== undefined && sources[key].startsWith(basename(file.path));
  return path === undefined ? undefined : resolve(fromFile ? dirname(file.path) : cwd, path);
}

/** The text that counts for an option. An empty variable is an unset one: compose files pass those on. */
function written(key: OptionKey, input: ConfigInput, file: YamlFile | undefined, problems: Problem[]): Written {
  const option = OPTIONS[key];
  const flag = input.flags[key];
  if (flag !== undefined) return { text: flag.trim(), source: `--${option.name.replaceAll('_', '-')}` };
  const variable = input.env[option.variable]?.trim();
  if (variable && !isServiceLink(option.variable, variable)) return { text: variable, source: option.variable };
  if (file?.scalars.has(option.name)) {
    const source = file.sourceOf(option.name);
    const text = scalarText(file.scalars.get(option.name));
    if (text !== undefined) return { text, source };
    problems.push({
      key: option.name,
      value: undefined,
      source,
      cure: `expected a value, for example ${option.example}`,
    });
  }
  return { text: option.default, source: option.default === undefined ? 'unset' : 'default' };
}

/** A YAML list reads like the same values by comma; a null or a mapping is no value. */
function scalarText(value: unknown): string | undefined {
  if (Array.isArray(value)) {
    const parts = value.map(scalarText);
    return parts.every((part) => part !== undefined) ? parts.join(',') : undefined;
  }
  return value === null || typeof value === 'object' ? undefined : String(value).trim();
}

async function namedFile(input: ConfigInput, problems: Problem[]): Promise<ReadSettings['file']> {
  const source = input.flags.config === undefined ? CONFIG_VARIABLE : '--config';
  const named = input.flags.config ?? input.env[CONFIG_VARIABLE];
  if (!named) return undefined;
  const path = resolve(input.cwd, named);
  let content: string;
  try {
    content = await readFile(path, 'utf8');
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error);
    problems.push({
      key: 'config',
      value: named,
      source,
      cure: `cannot be read (${reason}); expected the path of a YAML file`,
    });
    return undefined;
  }
  const { readYamlFile } = await import('./yaml-file.ts');
  return { ...readYamlFile(path, content), path };
}

/** Every variable that looks like ours must be one of ours: a typing mistake must not be a silent default. */
function unknownVariables(env: ConfigInput['env']): Problem[] {
  const known = [CONFIG_VARIABLE, ...Object.values(OPTIONS).map((option) => option.variable)];
  const problems: Problem[] = [];
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith('WHEELKEEP_') || known.includes(name) || isServiceLink(name, value)) continue;
    // Our own tests tell each other of installers and services by these.
    if (name.startsWith('WHEELKEEP_TEST_')) continue;
    const guess = nearest(name, known);
    const cure = guess ? `unknown variable; did you mean ${guess}?` : 'unknown variable';
    problems.push({ key: name, value: undefined, source: name, cure });
  }
  return problems;
}

/**
 * Kubernetes describes each Service of the namespace to every container by variables. A Service called `wheelkeep`
 * gives WHEELKEEP_PORT=tcp://10.0.0.7:5030, WHEELKEEP_SERVICE_HOST, WHEELKEEP_PORT_5030_TCP_ADDR: none is meant for us.
 */
function isServiceLink(name: string, value: string | undefined): boolean {
  if (/_SERVICE_(HOST|PORT(_\w+)?)$/.test(name) || /_PORT_\d+_(TCP|UDP|SCTP)(_\w+)?$/.test(name)) return true;
  return /_PORT$/.test(name) && /^(tcp|udp|sctp):\/\//.test(value ?? '');
}
