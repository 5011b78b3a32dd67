// What real installers do where a policy holds or denies the newest release: they take the one before it, or say why not.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { spawnProxy } from '../support/proxy/spawned-proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { type Distribution, wheel } from '../support/upstream/wheels.ts';
import { pythonOf, tool } from './tools.ts';

const run = promisify(execFile);
const HOUR = 3_600_000;

interface Outcome {
  /** `demo-1.0.dist-info`; empty when nothing was installed. */
  readonly installed: readonly string[];
  readonly output: string;
}

interface Site {
  readonly young: Distribution;
  install(command: readonly string[], requirement: string): Promise<Outcome>;
}

async function site(t: TestContext, policy: string): Promise<Site> {
  const folder = await temporaryFolder(t);
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const young = wheel({ name: 'demo', version: '2.0' });
  index.add('demo', wheel({ name: 'demo', version: '1.0' }));
  index.addListed('demo', young, { uploadTime: new Date(Date.now() - HOUR).toISOString() });
  const config = join(folder, 'wheelkeep.yaml');
  await writeFile(config, `${policy}\n`);
  const proxy = await spawnProxy({
    dataDir: join(folder, 'data'),
    upstreams: [index.url],
    env: { WHEELKEEP_CONFIG: config, WHEELKEEP_FILE_ORIGINS: index.files.origin },
  });
  t.after(() => proxy.stop('SIGKILL'));
  let rounds = 0;
  return {
    young,
    install: async ([program, ...given], requirement) => {
      const target = join(folder, `target-${++rounds}`);
      await mkdir(target);
      const list = join(folder, `requirements-${rounds}.txt`);
      await writeFile(list, `${requirement}\n`);
      const args = [...given, '--no-cache-dir', '--index-url', `${proxy.url}/simple/`, '--target', target, '-r', list];
      const env = { PATH: process.env.PATH ?? '', HOME: folder };
      const { stdout, stderr } = await run(program!, args, { env, cwd: folder }).catch(
        (error: { stdout: string; stderr: string }) => error,
      );
      const installed = (await readdir(target)).filter((name) => name.endsWith('.dist-info'));
      return { installed, output: `${stdout}${stderr}` };
    },
  };
}

const python = pythonOf('WHEELKEEP_TEST_PIP');
const uv = tool('WHEELKEEP_TEST_UV');
const PIP = [python.path, '-m', 'pip', 'install', '--disable-pip-version-check'];
const UV = [uv.path, 'pip', 'install', '--python', python.path];
const OLD = ['demo-1.0.dist-info'];

for (const [name, command, skip] of [
  ['pip', PIP, python.skip],
  ['uv', UV, uv.skip || python.skip],
] as const) {
  describe(name, { skip }, () => {
    it('takes the release before a held one, and fails for the held one by its version or hash', async (t) => {
      const { install, young } = await site(t, 'policy: { cooldown: 7d }');
      assert.deepEqual((await install(command, 'demo')).installed, OLD);
      for (const requirement of ['demo>=2', 'demo==2.0', `demo==2.0 --hash=sha256:${young.sha256}`]) {
        assert.deepEqual((await install(command, requirement)).installed, [], requirement);
      }
    });

    it('takes the release before a denied one, and says why it fails for the denied one', async (t) => {
      const { install } = await site(t, 'policy: { rules: [{ name: no-demo, deny: ["demo>=2"], reason: use baz }] }');
      assert.deepEqual((await install(command, 'demo')).installed, OLD);
      const { installed, output } = await install(command, 'demo==2.0');
      assert.deepEqual(installed, []);
      assert.match(output, /demo 2\.0 is denied \(no-demo: use baz\)/);
    });

    it('installs a held release by its version where it is listed as yanked and served', async (t) => {
      const { install, young } = await site(t, 'policy: { cooldown: 7d, held: yanked, locked: serve }');
      assert.deepEqual((await install(command, 'demo')).installed, OLD);
      const pinned = await install(command, `demo==2.0 --hash=sha256:${young.sha256}`);
      assert.deepEqual(pinned.installed, ['demo-2.0.dist-info']);
      assert.match(pinned.output, /demo 2\.0 is held until/);
    });
  });
}
