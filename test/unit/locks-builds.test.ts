// What a build asks for, as far as it can be known without running it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { askedByHook } from '../../src/locks/build-hooks.ts';
import { buildSystemOf, isBuiltHere, requiredByProject } from '../../src/locks/build-requires.ts';

const files = (named: Readonly<Record<string, string>>) => new Map(Object.entries(named));
const asked = (
  module: string,
  named: Readonly<Record<string, string>> = {},
  more: { source?: string; setuptools?: string; isEditable?: boolean } = {},
) =>
  askedByHook(
    { module, source: more.source, setuptools: more.setuptools, isEditable: more.isEditable ?? false },
    files(named),
  );

test('the build system is what pyproject.toml says, setuptools where it says nothing, and nothing where it is broken', () => {
  const system = (content: string) => buildSystemOf(files({ 'pyproject.toml': content }));
  assert.deepEqual(system('[build-system]\nrequires = ["a>1"]\nbuild-backend = "a.b:c"\nbackend-path = ["."]'), {
    requires: ['a>1'],
    backend: 'a.b',
    backendPath: ['.'],
  });
  assert.equal(system('[build-system]\nrequires = ["a"]')?.backend, 'setuptools.build_meta');
  assert.deepEqual(buildSystemOf(files({}))?.requires, ['setuptools>=40.8.0']);
  for (const broken of ['[[', '[build-system]\nbuild-backend = "a"']) assert.equal(system(broken), undefined);
});

test('setuptools asks for wheel before 70.1 and for setup_requires; a setup.py that speaks of these must be run', () => {
  const of = (setuptools: string, named: Readonly<Record<string, string>>) =>
    asked('setuptools.build_meta', named, { setuptools });
  assert.deepEqual(of('80.0', {}), []);
  assert.deepEqual(of('70.0.0', {}), ['wheel']);
  assert.deepEqual(of('80.0', { 'setup.cfg': '[options]\nsetup_requires =\n    a>1\n    # not b\n    c\nname = x' }), [
    'a>1',
    'c',
  ]);
  assert.deepEqual(of('80.0', { 'setup.cfg': '[options]\nsetup_requires = a; b' }), ['a', 'b']);
  assert.equal(of('80.0', { 'setup.py': 'setup(setup_requires=["a"])' }), undefined);
  assert.equal(asked('setuptools.build_meta'), undefined);
});

test('of known backends it is known where they ask for nothing', () => {
  for (const module of [
    'flit_core.buildapi',
    'poetry.core.masonry.api',
    'hatchling.build',
    'pdm.backend',
    'uv_build',
  ]) {
    assert.deepEqual(asked(module), [], module);
  }
  const hatch = (content: string) => asked('hatchling.build', { 'pyproject.toml': content });
  assert.deepEqual(hatch('[tool.hatch.build.targets.wheel]\npackages = ["a"]'), []);
  assert.deepEqual(hatch('[tool.hatch.build.hooks.vcs]\nversion-file = "a"'), []);
  assert.deepEqual(hatch('[tool.hatch.build.targets.wheel]\ndependencies = ["a"]'), ['a']);
  assert.equal(hatch('[tool.hatch.build.hooks.custom]'), undefined);
  assert.equal(hatch('[tool.hatch.build.targets.wheel]\nrequire-runtime-dependencies = true'), undefined);
  assert.deepEqual(asked('hatchling.build', {}, { isEditable: true }), ['editables~=0.3']);
  assert.equal(asked('pdm.backend', { 'pyproject.toml': '[tool.pdm.build]\nrun-setuptools = true' }), undefined);
});

test('of others the source tells, as far as it is plain', () => {
  const of = (source: string | undefined) => asked('own', {}, { ...(source !== undefined && { source }) });
  const hook = (body: string) =>
    `import os\n\ndef get_requires_for_build_wheel(config_settings=None):\n${body}\n\nx = 1\n`;
  assert.deepEqual(of('def build_wheel(): pass'), []);
  assert.deepEqual(of(hook('    return []')), []);
  assert.deepEqual(of(hook('    """Why."""\n    # nothing\n    return list()')), []);
  assert.deepEqual(of(hook(`    return ["a>1", 'b']  # always`)), ['a>1', 'b']);
  assert.deepEqual(of(hook('    return [\n        "a",\n    ]')), ['a']);
  for (const opaque of [
    hook('    return [NAME]'),
    hook('    if x:\n        return []\n    return ["a"]'),
    'from a import *',
    undefined,
  ]) {
    assert.equal(of(opaque), undefined, opaque);
  }
});

test('what a project will require is known where it is fixed, with its extras', () => {
  const required = (named: Readonly<Record<string, string>>) => requiredByProject(files(named));
  const metadata = (version: string, more = '') =>
    `Metadata-Version: ${version}\nRequires-Dist: a>1\n${more}\nRequires-Dist: not\n`;
  assert.deepEqual(required({ 'PKG-INFO': metadata('2.2') }), ['a>1']);
  assert.equal(required({ 'PKG-INFO': metadata('2.1') }), undefined);
  assert.equal(required({ 'PKG-INFO': metadata('2.4', 'Dynamic: Requires-Dist\n') }), undefined);
  const project =
    '[project]\nname = "x"\ndependencies = ["a; os_name == \'nt\'"]\noptional-dependencies = {e = ["b", "c; os_name == \'nt\'"]}';
  assert.deepEqual(required({ 'PKG-INFO': metadata('2.1'), 'pyproject.toml': project }), [
    "a; os_name == 'nt'",
    'b; extra == "e"',
    'c; ( os_name == \'nt\') and extra == "e"',
  ]);
  assert.equal(required({ 'pyproject.toml': '[project]\nname = "x"\ndynamic = ["dependencies"]' }), undefined);
  assert.equal(required({ 'setup.py': '' }), undefined);
});

test('a folder is built where it has a project that says nothing else', () => {
  const built = (content: string) => isBuiltHere(files({ 'pyproject.toml': content }));
  assert.equal(built('[project]\nname = "x"'), true);
  assert.equal(isBuiltHere(files({ 'setup.py': '' })), true);
  assert.equal(built('[tool.black]'), false);
  assert.equal(built('[project]\nname = "x"\n[tool.pdm]\ndistribution = false'), false);
  assert.equal(built('[project]\nname = "x"\n[tool.uv]\npackage = false'), false);
});
