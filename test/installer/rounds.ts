// The one play that every installer performs: directly from the index, then through Wheelkeep cold, hot, and with
// upstream gone after Wheelkeep was killed and started again on the same data folder.

import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fieldValue } from '../../src/core/http-message.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { freePort } from '../support/proxy/free-port.ts';
import { spawnProxy } from '../support/proxy/spawned-proxy.ts';
import { FakeIndex, type FakeIndexOptions } from '../support/upstream/fake-index.ts';
import { infoFolders, installedFolders, publish, type World } from './packages.ts';
import { emptyMachine, type Machine, sitePackagesOf } from './tools.ts';

/** What one round gives an installer to work with. */
export interface Site extends Machine {
  readonly indexUrl: string;
  readonly world: World;
}

/** Installs wk-app and what it needs on an empty machine; resolves with the folder into which the packages went. */
export type Install = (site: Site) => Promise<string>;

/** Proves that the packages and pages of the fake index are right, so that a failure below is Wheelkeep's. */
export async function installsDirectly(test: TestContext, install: Install): Promise<void> {
  const index = await FakeIndex.start({ separateFiles: true });
  test.after(() => index.close());
  const folder = await temporaryFolder(test);
  await installOnEmptyMachine(folder, index.url, publish(index), install);
}

export interface Rounds {
  /** How the index differs from the public one. */
  readonly index?: FakeIndexOptions;
  /** False leaves the second round out, for installers that take long. */
  readonly hot?: boolean;
}

export async function survivesOutage(test: TestContext, install: Install, rounds: Rounds = {}): Promise<void> {
  const index = await FakeIndex.start({ separateFiles: true, ...rounds.index });
  test.after(() => index.close());
  const world = publish(index);
  const folder = await temporaryFolder(test);
  // One port for all rounds: lock files hold our URLs and must stay the same.
  const port = await freePort();
  const start = async () => {
    const proxy = await spawnProxy({
      dataDir: join(folder, 'data'),
      upstreams: [index.url],
      port,
      env: { WHEELKEEP_FILE_ORIGINS: index.files.origin },
    });
    test.after(() => proxy.stop('SIGKILL'));
    return proxy;
  };
  const proxy = await start();
  const indexUrl = `${proxy.url}/simple/`;
  await installOnEmptyMachine(join(folder, 'cold'), indexUrl, world, install);
  const fetched = fileRequests(index);
  assert.ok(fetched.length > 0, 'the cold round must have gone through to the index');

  if (rounds.hot !== false) await installOnEmptyMachine(join(folder, 'hot'), indexUrl, world, install);
  assert.deepEqual(fileRequests(index), fetched, 'a hot install asks upstream for no file');

  await proxy.stop('SIGKILL');
  await index.down();
  const restarted = await start();
  await installOnEmptyMachine(join(folder, 'down'), indexUrl, world, install);
  await index.up();
  assert.deepEqual(fileRequests(index), fetched, 'an install during the outage asks upstream for no file');
  assert.equal(await restarted.stop('SIGTERM'), 0);
}

/** A tool that locks a project with hashes and installs what it has locked into `.venv` beside it. */
export interface LockingTool {
  /** What its project says beside name and dependencies. */
  readonly settings: (indexUrl: string) => string;
  readonly lockFile: string;
  readonly commands: readonly (readonly [program: string, ...args: string[]])[];
}

/** The play of `survivesOutage`, in which every round locks anew: to the same lock file, with the right hashes. */
export async function locksAlike(test: TestContext, { settings, lockFile, commands }: LockingTool): Promise<void> {
  const locks: string[] = [];
  await survivesOutage(test, async ({ home, run, world, indexUrl }) => {
    const project = join(home, 'project');
    await mkdir(project);
    const about = 'name = "lock"\nversion = "0"\nrequires-python = ">=3.9"\ndependencies = ["wk-app"]';
    await writeFile(join(project, 'pyproject.toml'), `[project]\n${about}\n${settings(indexUrl)}`);
    for (const [program, ...args] of commands) await run(program, args, project);
    const lock = await readFile(join(project, lockFile), 'utf8');
    for (const { sha256, filename } of Object.values(world)) {
      assert.ok(lock.includes(`sha256:${sha256}`), `the lock must pin ${filename}`);
    }
    locks.push(lock);
    return sitePackagesOf(join(project, '.venv'));
  });
  assert.equal(locks.length, 3);
  assert.deepEqual(locks.slice(1), [locks[0], locks[0]]);
}

/** What upstream was asked beside pages, in order: a failed comparison then names the file. */
function fileRequests(index: FakeIndex): string[] {
  return index.log.entries
    .filter(({ path }) => path.startsWith('/packages/'))
    .map(({ method, path, fields }) => `${method} ${path} ${fieldValue(fields, 'range') ?? ''}`);
}

async function installOnEmptyMachine(home: string, indexUrl: string, world: World, install: Install): Promise<void> {
  const machine = await emptyMachine(home, indexUrl);
  const sitePackages = await install({ ...machine, indexUrl, world });
  assert.deepEqual(await installedFolders(sitePackages), infoFolders(world));
}
