// What installers learn from pages and core metadata alone, without a file: resolutions, yanks, ages, new releases; and
// lock files that name the files of the index again once our prefix is taken off.

import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { IndexConfig } from '../../src/config/config.ts';
import { fieldValue } from '../../src/core/http-message.ts';
import { publish } from '../installer/packages.ts';
import { emptyMachine, type Machine, pythonOf, tool } from '../installer/tools.ts';
import { FakeClock } from '../support/clock/clock.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { status } from '../support/upstream/faults.ts';
import { wheel } from '../support/upstream/wheels.ts';

const { path: python, skip: noPip } = pythonOf('WHEELKEEP_TEST_PIP');
const { path: uv, skip: noUv } = tool('WHEELKEEP_TEST_UV');

async function world(test: TestContext, indexConfig: Partial<IndexConfig> = {}) {
  const clock = new FakeClock();
  const index = await FakeIndex.start({ separateFiles: true });
  const proxy = await startProxy({
    upstreams: [index.url],
    config: { fileOrigins: [index.files.origin] },
    indexConfig,
    now: clock.now,
  });
  test.after(() => Promise.all([proxy.close(), index.close()]));
  const folder = await temporaryFolder(test);
  let machines = 0;
  const machine = (indexUrl = `${proxy.url}/simple/`) => emptyMachine(join(folder, String(++machines)), indexUrl);
  return { clock, index, proxy, machine };
}

/** The paths of whole files that upstream was asked for. */
function wholeFiles(index: FakeIndex): string[] {
  const whole = index.log.entries.filter(({ fields }) => fieldValue(fields, 'range') === undefined);
  return whole.map(({ path }) => path).filter((path) => /\.(whl|tar\.gz)$/.test(path));
}

/** An index without core metadata: neither claimed nor there. */
function publishWithoutMetadata(index: FakeIndex): void {
  publish(index, { coreMetadata: false });
  index.fault(/\.metadata$/, status(404));
}

/** What pip would install, as `name==version`. */
async function pipPlan({ run }: Machine, ...args: readonly string[]): Promise<string[]> {
  const output = await run(python, ['-m', 'pip', 'install', '--quiet', '--dry-run', '--report', '-', ...args]);
  const { install } = JSON.parse(output) as {
    readonly install: readonly { readonly metadata: { readonly name: string; readonly version: string } }[];
  };
  return install.map(({ metadata: { name, version } }) => `${name}==${version}`).sort();
}

async function uvPlan({ home, run }: Machine, requirement: string, ...args: readonly string[]): Promise<string[]> {
  const input = join(home, 'requirements.in');
  await writeFile(input, requirement);
  const output = await run(uv, ['pip', 'compile', '--quiet', '--no-header', '--no-annotate', ...args, input]);
  return output.trim().split('\n').sort();
}

/** Three releases, a week apart each. */
function publishAges(index: FakeIndex): void {
  for (const [version, uploadTime] of Object.entries({
    '1.0': '2026-01-01T00:00:00.000001Z',
    '2.0': '2026-01-08T00:00:00.000001Z',
    '3.0': '2026-01-15T00:00:00.000001Z',
  })) {
    index.addListed('wk-aged', wheel({ name: 'wk-aged', version }), { uploadTime });
  }
}

/** What wk-app leads to where nothing has to be built: an sdist has no core metadata. */
const WITHOUT_SOURCES = ['Foo.Bar_baz', 'wk-epoch', 'wk-yanked', 'wk-large'];
const PLAN = ['foo.bar-baz==1.2.3', 'wk-epoch==1!2.0', 'wk-large==3.0', 'wk-local==1.0+cu1.2', 'wk-yanked==1.0'];

describe('pip', { skip: noPip }, () => {
  it('plans an install from core metadata alone, and takes nothing that is yanked', async (test) => {
    const { index, machine } = await world(test);
    publish(index);
    const plan = await pipPlan(await machine(), ...WITHOUT_SOURCES);
    assert.deepEqual(
      plan.map((one) => one.toLowerCase().replace('_', '-')),
      PLAN,
    );
    assert.deepEqual(wholeFiles(index), []);
  });

  it('plans from metadata alone also where the index has none', async (test) => {
    const { index, machine } = await world(test, { extractMetadata: true });
    publishWithoutMetadata(index);
    const plan = await pipPlan(await machine(), ...WITHOUT_SOURCES);
    assert.deepEqual(
      plan.map((one) => one.toLowerCase().replace('_', '-')),
      PLAN,
    );
    assert.deepEqual(wholeFiles(index), []);
  });

  it('--uploaded-prior-to finds the release of that day', async (test) => {
    const { index, machine } = await world(test);
    publishAges(index);
    const plan = (day: string) => machine().then((one) => pipPlan(one, '--uploaded-prior-to', day, 'wk-aged'));
    assert.deepEqual(await plan('2026-01-10T00:00:00Z'), ['wk-aged==2.0']);
    assert.deepEqual(await plan('2026-01-20T00:00:00Z'), ['wk-aged==3.0']);
  });

  it('sees a new release when the minute of its page is over', async (test) => {
    const { clock, index, machine } = await world(test);
    publishAges(index);
    const one = await machine();
    assert.deepEqual(await pipPlan(one, 'wk-aged'), ['wk-aged==3.0']);
    index.add('wk-aged', wheel({ name: 'wk-aged', version: '4.0' }));
    clock.advance(60_000);
    assert.deepEqual(await pipPlan(one, 'wk-aged'), ['wk-aged==4.0']);
  });
});

describe('uv', { skip: noUv }, () => {
  it('compiles requirements from core metadata alone, and takes nothing that is yanked', async (test) => {
    const { index, machine } = await world(test);
    publish(index);
    const plan = await uvPlan(await machine(), WITHOUT_SOURCES.join('\n'));
    assert.deepEqual(
      plan,
      PLAN.map((one) => one.replace('.', one.startsWith('foo') ? '-' : '.')),
    );
    assert.deepEqual(wholeFiles(index), []);
  });

  it('compiles from metadata alone also where the index has none', async (test) => {
    const { index, machine } = await world(test, { extractMetadata: true });
    publishWithoutMetadata(index);
    const plan = await uvPlan(await machine(), WITHOUT_SOURCES.join('\n'));
    assert.equal(plan.length, PLAN.length);
    assert.deepEqual(wholeFiles(index), []);
  });

  it('sees a new release when the minute of its page is over', async (test) => {
    const { clock, index, machine } = await world(test);
    publishAges(index);
    assert.deepEqual(await uvPlan(await machine(), 'wk-aged'), ['wk-aged==3.0']);
    index.add('wk-aged', wheel({ name: 'wk-aged', version: '4.0' }));
    clock.advance(60_000);
    assert.deepEqual(await uvPlan(await machine(), 'wk-aged'), ['wk-aged==4.0']);
  });

  const lock = async ({ home, run }: Machine, dependency: string, ...args: readonly string[]): Promise<string> => {
    const project = join(home, 'project');
    await mkdir(project);
    await writeFile(
      join(project, 'pyproject.toml'),
      `[project]\nname = "lock"\nversion = "0"\nrequires-python = ">=3.9"\ndependencies = ["${dependency}"]\n`,
    );
    await run(uv, ['lock', '--quiet', ...args], project);
    return readFile(join(project, 'uv.lock'), 'utf8');
  };

  it('lock --exclude-newer locks the release of that day', async (test) => {
    const { index, machine } = await world(test);
    publishAges(index);
    const locked = await lock(await machine(), 'wk-aged', '--exclude-newer', '2026-01-10T00:00:00Z');
    assert.match(locked, /name = "wk-aged"\nversion = "2\.0"/);
  });

  it('writes the lock file that it writes without Wheelkeep, once our prefix is taken off its URLs', async (test) => {
    const { index, proxy, machine } = await world(test);
    publish(index);
    const direct = await lock(await machine(index.url), 'wk-app');
    const ours = await lock(await machine(), 'wk-app');
    assert.notEqual(ours, direct);
    const mapped = ours.replaceAll(`${proxy.url}/files/http/`, 'http://').replaceAll(`${proxy.url}/simple/`, index.url);
    assert.equal(mapped, direct);
  });
});
