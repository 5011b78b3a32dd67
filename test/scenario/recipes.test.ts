// The recipes of deploy/ do what their comments say: caches by lock file, logs of failed jobs, health, keys, names.

import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { OPTIONS } from '../../src/config/options.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { runCommand } from '../support/proxy/command.ts';
import { get } from '../support/proxy/http-client.ts';
import { spawnProxy } from '../support/proxy/spawned-proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { wheel } from '../support/upstream/wheels.ts';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const DEPLOY = join(ROOT, 'deploy');

function content(file: string): string {
  return readFileSync(join(DEPLOY, file), 'utf8');
}

const systemdMissing = (() => {
  try {
    execFileSync('sh', ['-c', 'command -v systemd-analyze'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'there is no systemd-analyze on this machine';
  }
})();

interface Step {
  readonly name?: string;
  readonly uses?: string;
  readonly if?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, string>>;
}

test('the cache of GitHub is named by the lock files, and a new lock file begins with an older cache', () => {
  const steps: Step[] = parse(content('github-actions.yaml')).jobs.tests.steps;
  const { key, 'restore-keys': older } = steps.find(({ uses }) => uses?.startsWith('actions/cache@'))!.with!;
  assert.match(key!, /\$\{\{ hashFiles\('.*uv\.lock'.*\) \}\}$/);
  assert.ok(key!.startsWith(older!) && !older!.includes('hashFiles'), older);
});

test('a failed job of GitHub prints the log while the container is there, and every job stops it', () => {
  const steps: Step[] = parse(content('github-actions.yaml')).jobs.tests.steps;
  const [log, stop] = ['docker logs', 'docker stop'].map((line) => steps.findIndex((step) => step.run?.includes(line)));
  assert.equal(steps[log!]!.if, 'failure()');
  assert.equal(steps[stop!]!.if, 'always()');
  assert.ok(log! < stop!);
});

test('the cache of GitLab is named by the lock files, and a job that did not succeed prints the log', async (t) => {
  const { cache, after_script: after } = parse(content('gitlab-ci.yaml')).tests;
  assert.deepEqual(cache.key.files, ['requirements.txt']);
  const folder = await temporaryFolder(t);
  await writeFile(join(folder, 'wheelkeep.log'), 'what went wrong\n');
  const printed = async (status: string) =>
    (await run('sh', ['-c', after[0]], { cwd: folder, env: { ...process.env, CI_JOB_STATUS: status } })).stdout;
  assert.equal(await printed('success'), '');
  for (const status of ['failed', 'canceled']) assert.equal(await printed(status), 'what went wrong\n');
});

test('the health check of the image asks every second until the server is ready, by a command that exists', async (t) => {
  const [, flags = '', command = ''] = /^HEALTHCHECK (.*?) CMD (.*)$/m.exec(
    readFileSync(join(ROOT, 'Dockerfile'), 'utf8'),
  )!;
  const seconds = Object.fromEntries(
    [...flags.matchAll(/--([\w-]+)=(\d+)s/g)].map(([, name, value]) => [name, Number(value)]),
  );
  assert.equal(seconds['start-interval'], 1);
  assert.ok(seconds['start-period']! > seconds.interval!);
  const [, ...args] = JSON.parse(command) as string[];
  const dataDir = await temporaryFolder(t);
  const { stdout } = await runCommand({ index: { url: 'https://index.example/simple/' }, dataDir }, ...args, '--help');
  assert.match(stdout, /^Usage: wheelkeep ready /);
});

test('systemd takes the drop-in for TLS, whose keys are the credentials that it loads', {
  skip: systemdMissing,
}, async (t) => {
  const folder = await temporaryFolder(t);
  const dropIn = join(folder, 'wheelkeep.service.d', 'tls.conf');
  await cp(join(DEPLOY, 'wheelkeep.service.d'), join(folder, 'wheelkeep.service.d'), { recursive: true });
  const unit = join(folder, 'wheelkeep.service');
  // Only the place of the checkout differs: systemd looks whether the command is there.
  await writeFile(unit, content('wheelkeep.service').replaceAll('/opt/wheelkeep', ROOT.replace(/\/$/, '')));
  const verify = async () => {
    const { stdout, stderr } = await run('systemd-analyze', ['verify', unit]);
    return `${stdout}${stderr}`;
  };
  assert.equal(await verify(), '');
  const text = await readFile(dropIn, 'utf8');
  const loaded = [...text.matchAll(/^LoadCredential=([\w.]+):\//gm)].map(([, name]) => name);
  for (const { variable } of [OPTIONS.tlsCertFile, OPTIONS.tlsKeyFile]) {
    const [, name] = new RegExp(`${variable}=%d/(\\S+)`).exec(text) ?? [];
    assert.ok(loaded.includes(name), variable);
  }
  // What it says is read: a wrong line in it would be told.
  await writeFile(dropIn, `${text}NoSuchKey=yes\n`);
  assert.match(await verify(), /NoSuchKey/);
});

test('bound names are asked at the internal index alone and all others at the public one alone, whichever is down', async (t) => {
  const [internal, open] = [await FakeIndex.start(), await FakeIndex.start()];
  t.after(() => Promise.all([internal.close(), open.close()]));
  for (const name of ['acme', 'acme-tools', 'wheelhouse-internal']) internal.add(name, wheel({ name, version: '1.0' }));
  for (const name of ['acme-tools', 'numpy']) open.add(name, wheel({ name, version: '9.9' }));
  const folder = await temporaryFolder(t);
  const [config, secret] = [join(folder, 'wheelkeep.yaml'), join(folder, 'internal-index')];
  await mkdir(join(folder, 'data'));
  await writeFile(secret, 'wheelkeep:secret\n');
  await writeFile(
    config,
    content('company-names.yaml')
      .replace('/run/secrets/internal-index', secret)
      .replace('https://internal.example/simple/', internal.url)
      .replace('https://index.example/simple/', open.url),
  );
  const origins = [internal, open].map(({ url }) => new URL(url).origin).join(',');
  const proxy = await spawnProxy({
    dataDir: join(folder, 'data'),
    upstreams: [],
    env: { WHEELKEEP_CONFIG: config, WHEELKEEP_FILE_ORIGINS: origins },
  });
  t.after(() => proxy.stop());
  const page = (name: string) => get(`${proxy.url}/simple/${name}/`);
  for (const name of ['acme', 'acme-tools', 'wheelhouse-internal'])
    assert.match((await page(name)).text(), /-1\.0-/, name);
  assert.equal(open.requests(), 0, 'no bound name reaches the public index');
  const before = internal.requests();
  assert.match((await page('numpy')).text(), /numpy-9\.9-/);
  assert.equal((await page('nobody-has-it')).status, 404);
  assert.equal(internal.requests(), before, 'no other name reaches the internal index');
  await internal.down();
  open.add('acme-new', wheel({ name: 'acme-new', version: '9.9' }));
  open.add('pandas', wheel({ name: 'pandas', version: '9.9' }));
  assert.ok((await page('acme-new')).status >= 502);
  assert.equal((await page('pandas')).status, 200);
});

test('the company page shows deploy/company-names.yaml as it is', () => {
  const page = readFileSync(join(ROOT, 'docs', 'company.md'), 'utf8');
  const shown = [...page.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, yaml = '']) => parse(yaml));
  assert.deepEqual(shown[1], parse(content('company-names.yaml')));
});
