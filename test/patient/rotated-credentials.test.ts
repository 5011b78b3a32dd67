// Credentials and certificate authorities of upstreams are exchanged while Wheelkeep runs: what their files hold counts
// within a second, and at once when an upstream refuses what they held before.

import assert from 'node:assert/strict';
import { mkdir, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { Config } from '../../src/config/config.ts';
import type { Log } from '../../src/observe/log.ts';
import { until } from '../support/clock/until.ts';
import { load } from '../support/proxy/config-world.ts';
import { fetchAll, get } from '../support/proxy/http-client.ts';
import { getPage } from '../support/proxy/page-client.ts';
import { type RunningProxy, startProxy, testConfig } from '../support/proxy/proxy.ts';
import { certificateAuthority } from '../support/upstream/certificates.ts';
import { authorizationsOf, type RepositoryManager, repositoryManager } from '../support/upstream/repository-manager.ts';
import { wheel } from '../support/upstream/wheels.ts';

const PROJECTS = Array.from({ length: 12 }, (_, n) => `project${n}`);
const FILES = PROJECTS.map((name) => wheel({ name, version: '1.0' }));

/** What a file of each kind holds for a secret, and what is sent then. */
const KINDS = {
  basic_file: {
    text: (secret: string) => `ci:${secret}\n`,
    sent: (secret: string) => `Basic ${Buffer.from(`ci:${secret}`).toString('base64')}`,
  },
  bearer_file: { text: (secret: string) => `${secret}\n`, sent: (secret: string) => `Bearer ${secret}` },
  netrc: {
    text: (secret: string) => `machine 127.0.0.1 login ci password ${secret}\n`,
    sent: (secret: string) => `Basic ${Buffer.from(`ci:${secret}`).toString('base64')}`,
  },
} as const;
type Kind = keyof typeof KINDS;

interface Rotating {
  readonly proxy: RunningProxy;
  readonly manager: RepositoryManager;
  /** Lines of the log: level, message and fields. */
  readonly lines: string[];
  readonly path: string;
  /** What the index and its raw mount want from now on. */
  want(secret: string | undefined): void;
}

async function rotating(
  t: TestContext,
  kind: Kind,
  place: (folder: string) => Promise<string> = async (folder) => join(folder, 'secret'),
): Promise<Rotating> {
  const repository = { authorization: KINDS[kind].sent('first') as string | undefined, files: FILES };
  const manager = await repositoryManager(t, { team: repository });
  const origin = `${manager.server.origin}/team/`;
  const files = { secret: KINDS[kind].text('first'), 'wheelkeep.yaml': '' };
  const credentials = kind === 'netrc' ? '{ netrc: true }' : `{ ${kind}: secret }`;
  files['wheelkeep.yaml'] = `indexes: { main: { upstreams: ["${origin}simple/"], credentials: ${credentials} } }\n`;
  files['wheelkeep.yaml'] += `raw: { builds: { origin: "${origin}", credentials: ${credentials} } }\n`;
  const env = kind === 'netrc' ? { NETRC: 'secret' } : {};
  const { config, folder } = await load(t, { files, env });
  const lines: string[] = [];
  const proxy = await proxyWith(t, config, lines);
  return {
    proxy,
    manager,
    lines,
    path: await place(folder),
    want: (secret) => {
      repository.authorization = secret === undefined ? undefined : KINDS[kind].sent(secret);
    },
  };
}

async function proxyWith(t: TestContext, config: Config, lines: string[]): Promise<RunningProxy> {
  const note = (level: string) => (message: string, fields?: object) =>
    void lines.push(`${level} ${message} ${JSON.stringify(fields ?? {})}`);
  const log: Log = { debug() {}, info: note('info'), warn: note('warn'), error: note('error') };
  const { dataDir: _, ...defaults } = testConfig({ upstreams: [], dataDir: '' });
  const { indexes, defaultIndexes, raw, netrcFile, certificateFiles, extraCertificates } = config;
  const files = { ...(netrcFile && { netrcFile }), ...(certificateFiles && { certificateFiles }) };
  const settings = { ...defaults, indexes, defaultIndexes, raw, extraCertificates, ...files };
  const proxy = await startProxy({ upstreams: [], config: settings, overrides: { log } });
  t.after(() => proxy.close());
  return proxy;
}

async function statusOfFile(proxy: RunningProxy, project: string): Promise<number> {
  const page = await getPage(proxy, project);
  if (page.status !== 200) return page.status;
  const [file] = (page.json() as { readonly files: readonly { readonly url: string }[] }).files;
  return (await get(new URL(file!.url, `${proxy.url}/simple/${project}/`).href)).status;
}

/** The ways in which files are replaced, each from `first` to `second`. */
const FORMS: Readonly<Record<string, (path: string, text: string) => Promise<void>>> = {
  'written over': writeFile,
  'replaced by renaming': async (path, text) => {
    await writeFile(`${path}.new`, text);
    await rename(`${path}.new`, path);
  },
  'exchanged with its size and its times kept': async (path, text) => {
    const { atime, mtime } = await stat(path);
    await writeFile(path, text);
    await utimes(path, atime, mtime);
  },
  'exchanged behind a symbolic link, as Kubernetes does it': async (path, text) => {
    const folder = `${path}.data`;
    await mkdir(folder);
    await writeFile(join(folder, 'secret'), text);
    await symlink(join(folder, 'secret'), `${path}.link`);
    await rename(`${path}.link`, path);
  },
};

describe('secrets are exchanged', { concurrency: 6 }, () => {
  for (const kind of Object.keys(KINDS) as Kind[]) {
    test(`an index that refuses the secret of yesterday is asked with the one that ${kind} holds today`, async (t) => {
      const { proxy, manager, path, want, lines } = await rotating(t, kind);
      assert.equal(await statusOfFile(proxy, PROJECTS[0]!), 200);
      // Time and again, and the refusals within a second of another: nobody waits until the file is looked at.
      await writeFile(path, KINDS[kind].text('second'));
      want('second');
      assert.equal(await statusOfFile(proxy, PROJECTS[1]!), 200);
      assert.equal((await get(`${proxy.url}/raw/builds/files/${FILES[2]!.filename}`)).status, 200);
      assert.equal((await fetchAll(`${proxy.url}/raw/builds/x`, { method: 'POST', body: 'x' })).status, 200);
      assert.ok(authorizationsOf(manager.asked('team')).includes(KINDS[kind].sent('second')));
      assert.doesNotMatch(lines.join('\n'), /second|first/);
      assert.match(
        lines.join('\n'),
        new RegExp(`info credentials reloaded for 127\\.0\\.0\\.1:\\d+ \\{"${kind}":".*secret"`),
      );
    });

    test(`what ${kind} holds counts within a moment, although the old secret is still taken`, async (t) => {
      const { proxy, manager, path, want, lines } = await rotating(t, kind);
      assert.equal((await getPage(proxy, PROJECTS[0]!)).status, 200);
      want(undefined);
      await writeFile(path, KINDS[kind].text('third'));
      await until(() => lines.some((line) => line.includes('credentials reloaded')), 'the file is read', 5_000);
      manager.server.log.clear();
      assert.equal(await statusOfFile(proxy, PROJECTS[1]!), 200);
      assert.deepEqual(authorizationsOf(manager.asked('team')), [KINDS[kind].sent('third')]);
    });

    test(`a ${kind} that cannot be used changes nothing, and the log names it`, async (t) => {
      const { proxy, path, want, lines } = await rotating(t, kind);
      const bad = { basic_file: 'no colon', bearer_file: 'two words', netrc: '' }[kind];
      for (const spoil of [() => writeFile(path, bad), () => writeFile(path, '\n'), () => rm(path)]) {
        const before = lines.length;
        await spoil();
        await until(
          () => lines.slice(before).some((line) => line.startsWith('error credentials not reloaded')),
          'it is told',
        );
        assert.equal((await getPage(proxy, PROJECTS[before % PROJECTS.length]!)).status, 200);
      }
      assert.ok(lines.every((line) => !line.includes('first')));
      want('late');
      assert.ok((await getPage(proxy, 'project11')).status >= 502);
      await writeFile(path, KINDS[kind].text('late'));
      await until(async () => (await getPage(proxy, 'project10')).status === 200, 'it recovers');
    });
  }

  for (const [form, replace] of Object.entries(FORMS)) {
    test(`a secret is read again when its file is ${form}`, async (t) => {
      const { proxy, path, want, lines } = await rotating(t, 'bearer_file');
      await replace(path, KINDS.bearer_file.text('other'));
      await until(() => lines.some((line) => line.includes('credentials reloaded')), 'the file is read', 5_000);
      want('other');
      assert.equal((await getPage(proxy, PROJECTS[0]!)).status, 200);
    });
  }

  test('an index that refuses everything is asked once for each request', async (t) => {
    const { proxy, manager, want } = await rotating(t, 'bearer_file');
    want('never given');
    const answers = await Promise.all(PROJECTS.map((project) => getPage(proxy, project)));
    assert.ok(answers.every(({ status }) => status >= 502));
    for (const project of PROJECTS) assert.equal(manager.server.log.count(`/team/simple/${project}/`), 1, project);
  });

  test('an index without credentials takes those that netrc gets while it runs', async (t) => {
    const manager = await repositoryManager(t, { team: { authorization: KINDS.netrc.sent('late'), files: FILES } });
    const env = { WHEELKEEP_UPSTREAM: manager.base('team') };
    const { config, folder } = await load(t, { env });
    const lines: string[] = [];
    const proxy = await proxyWith(t, config, lines);
    assert.ok((await getPage(proxy, PROJECTS[0]!)).status >= 502);
    assert.deepEqual(
      lines.filter((line) => line.includes('credentials')),
      [],
      'no netrc file is nothing to speak of',
    );
    await writeFile(join(folder, '.netrc'), KINDS.netrc.text('late'));
    await until(async () => (await getPage(proxy, PROJECTS[1]!)).status === 200, 'netrc counts');
  });

  test('certificate authorities are read again when ca_file changes, and a bad file changes nothing', async (t) => {
    const [before, after] = [certificateAuthority(), certificateAuthority()];
    const identity = after.issue(['127.0.0.1']);
    const manager = await repositoryManager(t, { team: { authorization: undefined, files: FILES } }, { tls: identity });
    const raw = `raw: { builds: { origin: "${manager.server.origin}/team/" } }\n`;
    const yaml = `upstream: ${manager.base('team')}\nca_file: ca.pem\n${raw}`;
    const { config, folder } = await load(t, { files: { 'wheelkeep.yaml': yaml, 'ca.pem': before.cert } });
    const lines: string[] = [];
    const proxy = await proxyWith(t, config, lines);
    const path = join(folder, 'ca.pem');
    const post = () => fetchAll(`${proxy.url}/raw/builds/x`, { method: 'POST', body: 'x' });
    assert.ok((await getPage(proxy, PROJECTS[0]!)).status >= 502);
    assert.equal((await post()).status, 502);
    for (const bad of ['nothing', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n']) {
      const told = lines.length;
      await writeFile(path, bad);
      await until(
        () => lines.slice(told).some((line) => line.startsWith('error certificate authorities not')),
        'it is told',
      );
    }
    await writeFile(path, `${before.cert}${after.cert}`);
    await until(() => lines.some((line) => line.includes('certificate authorities reloaded')), 'the file is read');
    assert.equal((await getPage(proxy, PROJECTS[1]!)).status, 200);
    assert.equal((await post()).status, 200);
  });
});
