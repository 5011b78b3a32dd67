import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  leadsBackTo,
  namesDistribution,
  projectOfFilename,
  projectsOfFilename,
} from '../../src/pages/distribution-name.ts';
import { NameRouting } from '../../src/pages/name-routing.ts';
import type { ProjectName } from '../../src/pages/project-name.ts';

const PROJECTS: readonly [filename: string, project: string][] = [
  ['demo_pkg-1.0-py3-none-any.whl', 'demo-pkg'],
  ['demo.pkg-1!2.0-1-cp312-cp312-manylinux_2_17_x86_64.whl', 'demo-pkg'],
  ['Demo_Pkg-1.0-py2.7-linux-x86_64.egg', 'demo-pkg'],
  ['demo_pkg-1.0.tar.gz', 'demo-pkg'],
  ['demo-pkg-1.0+cu1.tar.gz', 'demo-pkg'],
  ['demo-pkg-1.0-beta2.zip', 'demo-pkg'],
  ['demo-3d-1.0.tar.bz2', 'demo-3d'],
  ['demo-1.0.tar.Z', 'demo'],
  ['demo-1.0.tgz', 'demo'],
  ['demo-pkg-1.0.win-amd64-py2.7.exe', 'demo-pkg'],
  ['demo-pkg-1.0.linux-x86_64.tar.gz', 'demo-pkg'],
  ['demo-pkg-1.0.win32.msi', 'demo-pkg'],
  ['demo-pkg-1.0-1.noarch.rpm', 'demo-pkg'],
  ['demo-trunk.zip', 'demo'],
  ['demo.zip', 'demo'],
  ['constructor-1.0.tar.gz', 'constructor'],
];

test('the project of a distribution file is found by one reading', () => {
  for (const [filename, project] of PROJECTS) {
    assert.equal(projectOfFilename(filename), project, filename);
    assert.ok(leadsBackTo(filename, project as ProjectName), filename);
  }
});

test('a file whose name says something else does not lead back', () => {
  assert.equal(leadsBackTo('other-1.0.zip', 'demo' as ProjectName), false);
  assert.equal(leadsBackTo('demo-1.0-1.zip', 'demo' as ProjectName), false);
});

test('every project that a name allows is known, the likeliest first', () => {
  for (const [filename, ...projects] of [
    ['demo_pkg-1.0-py3-none-any.whl', 'demo-pkg'],
    ['demo_pkg-1.0.tar.gz', 'demo-pkg'],
    ['cffi-1.0.2-2.tar.gz', 'cffi', 'cffi-1-0-2'],
    ['demo-pkg-v1.0-1.zip', 'demo-pkg', 'demo-pkg-v1-0'],
    ['demo-2021-03-04.tar.gz', 'demo-2021-03', 'demo', 'demo-2021'],
    ['demo-3d-1.0.tar.bz2', 'demo-3d', 'demo'],
    ['demo-pkg-1.0-py3-none-any.whl', 'demo', 'demo-pkg'],
    ['demo-1.0-2-py3-none-any.whl', 'demo', 'demo-1-0'],
    ['demo-one-two.zip', 'demo-one', 'demo'],
    ['demo.zip', 'demo'],
    ['.whl'],
  ] as const) {
    assert.deepEqual(projectsOfFilename(filename), projects, filename);
  }
  for (const [filename, project] of PROJECTS) {
    assert.ok(projectsOfFilename(filename).includes(project as ProjectName), filename);
  }
});

test('a name without a valid project has none', () => {
  for (const filename of ['', '-1.0.zip', '../x-1.0.zip', '__proto__-1.0.zip', '.whl', '%2e-1.zip']) {
    assert.equal(projectOfFilename(filename), undefined, filename);
  }
});

test('endings of distributions are known, legacy ones too, and others are not', () => {
  for (const [filename] of PROJECTS) assert.ok(namesDistribution(filename), filename);
  for (const name of ['', '.whl', 'x.asc', 'x.whl.metadata', 'x.tar.gz.asc', 'x.gz', 'index.html', 'help', '.tar.gz']) {
    assert.equal(namesDistribution(name), false, name);
  }
});

test('a hostile name costs linear time', () => {
  const started = performance.now();
  projectOfFilename(`${'-'.repeat(200_000)}.tar.gz`);
  projectOfFilename(`${'-a'.repeat(200_000)}.whl`);
  projectsOfFilename(`${'-1'.repeat(200_000)}.zip`);
  projectsOfFilename(`${'-'.repeat(200_000)}.tar.gz`);
  assert.ok(performance.now() - started < 500);
});

const WORD = fc.stringMatching(/^[a-z][a-z0-9]{0,5}$/);
const NUMBERS = fc.array(fc.nat(30), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('.'));
/** Dashes in versions are those of post releases, dates and pre-releases. */
const VERSION = fc
  .tuple(
    NUMBERS,
    fc.array(fc.oneof(fc.nat(2100).map(String), fc.constantFrom('rc1', 'beta', 'py2.7')), { maxLength: 2 }),
  )
  .map(([release, rest]) => [release, ...rest].join('-'));
const NAME = fc.array(fc.oneof(WORD, fc.nat(9).map(String)), { minLength: 1, maxLength: 3 }).map((words) => {
  return /^[a-z]/.test(words[0]!) ? words.join('-') : `a${words.join('-')}`;
});
const ENDING = fc.constantFrom('.tar.gz', '.zip', '-py3-none-any.whl', '.win32.exe');

test('whatever dashes stand in name and version, the project is among the readings', () => {
  fc.assert(
    fc.property(NAME, VERSION, ENDING, (name, version, ending) => {
      const readings = projectsOfFilename(`${name}-${version}${ending}`);
      assert.ok(readings.includes(name as ProjectName), readings.join(' '));
      assert.equal(new Set(readings).size, readings.length);
    }),
  );
});

test('where one reading of a file is a bound name, no reading may be asked at another index', () => {
  fc.assert(
    fc.property(NAME, VERSION, ENDING, (name, version, ending) => {
      const routing = new NameRouting([{ names: [name], index: 'internal' }]);
      const readings = projectsOfFilename(`${name}-${version}${ending}`);
      assert.deepEqual(routing.allowedForAny(readings, ['public', 'internal', 'other']), ['internal']);
      assert.deepEqual(routing.allowedForAny(readings, ['public']), []);
      assert.deepEqual(new NameRouting([]).allowedForAny(readings, ['public', 'internal']), ['public', 'internal']);
    }),
  );
});
