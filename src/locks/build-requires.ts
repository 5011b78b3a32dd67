// What a project that is to be built says of it itself: `[build-system]` of its pyproject.toml (PEP 517, PEP 518), and
// what it will require at run time (PEP 621, PEP 643).

import { parse as parseToml, TomlError } from 'smol-toml';
import { type Table, table, text, texts } from './values.ts';

export interface BuildSystem {
  readonly requires: readonly string[];
  /** The module, without the object in it. */
  readonly backend: string;
  /** Folders of the project in which the backend lies; none for one that is installed. */
  readonly backendPath: readonly string[];
}

/** The files of a project by their paths in it, as far as they were read. */
export type ProjectFiles = ReadonlyMap<string, string>;

/** Those that say how it is built and what it requires. */
export const TELLING_FILES: ReadonlySet<string> = new Set(['pyproject.toml', 'setup.py', 'setup.cfg', 'PKG-INFO']);

/** What pip and uv take where the file says nothing. */
const DEFAULT: BuildSystem = { requires: ['setuptools>=40.8.0'], backend: 'setuptools.build_meta', backendPath: [] };

/** Undefined for what no installer can build: a file or a table that is not as it must be. */
export function buildSystemOf(files: ProjectFiles): BuildSystem | undefined {
  const pyproject = pyprojectOf(files);
  if (pyproject === undefined || pyproject['build-system'] === undefined) return pyproject && DEFAULT;
  const system = table(pyproject['build-system']);
  if (!Array.isArray(system.requires)) return undefined;
  const [backend = DEFAULT.backend] = (text(system['build-backend']) ?? '').split(':').filter((part) => part !== '');
  return { requires: texts(system.requires), backend, backendPath: texts(system['backend-path']) };
}

/** What it will require, as PEP 508 lines with all extras; undefined where only its build can tell. */
export function requiredByProject(files: ProjectFiles): readonly string[] | undefined {
  return fixedInMetadata(files.get('PKG-INFO') ?? '') ?? fixedInPyproject(table(pyprojectOf(files)?.project));
}

/** Whether the files of a folder are those of a project that is built, and not of one that only has dependencies. */
export function isBuiltHere(files: ProjectFiles): boolean {
  const { tool, project } = pyprojectOf(files) ?? {};
  if (table(table(tool).pdm).distribution === false || table(table(tool).uv).package === false) return false;
  return files.has('setup.py') || files.has('setup.cfg') || text(table(project).name) !== undefined;
}

/** An empty table where there is no such file; undefined where it cannot be read. */
export function pyprojectOf(files: ProjectFiles): Table | undefined {
  try {
    return table(parseToml(files.get('pyproject.toml') ?? ''));
  } catch (error) {
    if (error instanceof TomlError) return undefined;
    throw error;
  }
}

/** Core metadata of a source distribution hold for what is built of it from 2.2 on, unless they say otherwise (PEP 643). */
function fixedInMetadata(metadata: string): string[] | undefined {
  const [, version = '0'] = /^Metadata-Version:\s*(\d+\.\d+)/im.exec(metadata) ?? [];
  if (Number(version) < 2.2 || /^Dynamic:\s*(?:Requires-Dist|Provides-Extra)\s*$/im.test(metadata)) return undefined;
  return requiredIn(metadata);
}

/** The `Requires-Dist` of core metadata. */
export function requiredIn(metadata: string): string[] {
  const [head = ''] = metadata.split(/\r?\n\r?\n/);
  return head.split(/\r?\n/).flatMap((line) => /^Requires-Dist:\s*(.*)$/i.exec(line)?.[1] ?? []);
}

function fixedInPyproject(project: Table): string[] | undefined {
  const dynamic = texts(project.dynamic);
  if (text(project.name) === undefined || dynamic.some((one) => /dependencies$/.test(one))) return undefined;
  const optional = Object.entries(table(project['optional-dependencies']));
  return [
    ...texts(project.dependencies),
    ...optional.flatMap(([extra, lines]) => texts(lines).map((line) => withExtra(line, extra))),
  ];
}

function withExtra(line: string, extra: string): string {
  const [requirement = '', marker] = line.split(/;(.*)/s);
  return `${requirement}; ${marker === undefined ? '' : `(${marker}) and `}extra == "${extra}"`;
}
