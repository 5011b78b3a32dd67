// What a build backend asks for when it runs, beyond what the project says (`get_requires_for_build_wheel`, PEP 517, and
// `get_requires_for_build_editable`, PEP 660). Nothing is run here: it is known of the backends that most projects use,
// and of others as far as their hook is plain.

import { compare } from '@renovatebot/pep440';
import { type ProjectFiles, pyprojectOf } from './build-requires.ts';
import { type Table, table, texts } from './values.ts';

/** How to read the module of a backend: its source, undefined where it is not at hand. */
export interface Backend {
  readonly module: string;
  readonly source: string | undefined;
  /** Of setuptools in the environment of the build. */
  readonly setuptools: string | undefined;
  /** Whether it is an editable install (PEP 660) for which it builds. */
  readonly isEditable: boolean;
}

/** From this version on setuptools makes wheels itself. */
const SETUPTOOLS_WITH_WHEEL = '70.1';
/** Backends whose hook asks for nothing. */
const SILENT: ReadonlySet<string> = new Set(['flit_core.buildapi', 'poetry.core.masonry.api', 'uv_build']);

const LITERAL = /^return (?:\[((?:\s*(?:"[^"\\]*"|'[^'\\]*')\s*,?)*)\s*\]|list\(\))$/;

/** PEP 508 lines; undefined where only running it can tell. */
export function askedByHook(backend: Backend, project: ProjectFiles): readonly string[] | undefined {
  const { module, setuptools } = backend;
  if (SILENT.has(module)) return [];
  if (module === 'setuptools.build_meta') return askedBySetuptools(setuptools, project);
  const tool = table(pyprojectOf(project)?.tool);
  if (module === 'hatchling.build') return askedByHatchling(table(table(tool.hatch).build), backend.isEditable);
  if (module === 'pdm.backend') return table(table(tool.pdm).build)['run-setuptools'] === undefined ? [] : undefined;
  return askedInSource(backend.source, `get_requires_for_build_${backend.isEditable ? 'editable' : 'wheel'}`);
}

/** Build hooks that ask for nothing themselves; others are code. */
const SILENT_HOOKS: ReadonlySet<string> = new Set(['vcs', 'version']);

function askedByHatchling(build: Table, isEditable: boolean): readonly string[] | undefined {
  const wheel = table(table(build.targets).wheel);
  const hooks = [build, wheel].flatMap((holder) => Object.entries(table(holder.hooks)));
  const holders = [build, wheel, ...hooks.map(([, hook]) => table(hook))];
  const takesRuntime = holders.some((holder) => Object.keys(holder).some((key) => key.startsWith('require-runtime-')));
  if (takesRuntime || hooks.some(([name]) => !SILENT_HOOKS.has(name))) return undefined;
  return [...holders.flatMap(({ dependencies }) => texts(dependencies)), ...(isEditable ? ['editables~=0.3'] : [])];
}

/** `setup_requires` of setup.cfg can be read; a setup.py that speaks of it has to be run. */
function askedBySetuptools(version: string | undefined, project: ProjectFiles): readonly string[] | undefined {
  if (version === undefined || /setup_requires/.test(project.get('setup.py') ?? '')) return undefined;
  const [, inline = '', block = ''] =
    /^setup_requires\s*=[ \t]*([^\n]*)\n?((?:[ \t]+[^\n]*\n?)*)/m.exec(project.get('setup.cfg') ?? '') ?? [];
  const required = `${inline.replaceAll(';', '\n')}\n${block}`
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  return compare(version, SETUPTOOLS_WITH_WHEEL) < 0 ? ['wheel', ...required] : required;
}

/** A backend without the hook asks for nothing; one that returns a list as it stands there asks for that. */
function askedInSource(source: string | undefined, hook: string): readonly string[] | undefined {
  if (source === undefined) return undefined;
  if (!source.includes(hook)) return /^from \S+ import (?:\(\s*)?\*/m.test(source) ? undefined : [];
  const defined = new RegExp(
    `^def ${hook}\\([^)]*\\)[^:\\n]*:[^\\n]*\\n((?:[ \\t]+[^\\n]*(?:\\n|$)|[ \\t]*\\n)*)`,
    'm',
  );
  const statement = defined
    .exec(source)?.[1]
    ?.replace(/^\s*(?:r?"""[\s\S]*?"""|r?'''[\s\S]*?''')/, '')
    .replace(/#[^\n]*/g, '')
    .trim();
  const returned = LITERAL.exec(statement ?? '');
  if (returned === null) return undefined;
  return [...(returned[1] ?? '').matchAll(/"([^"]*)"|'([^']*)'/g)].map(([, double, single]) => double ?? single!);
}
