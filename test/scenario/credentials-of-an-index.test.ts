// Credentials, and the leave to reach private addresses, belong to the index whose page lists a file: for its own
// origins, whatever asks, at every hop.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Config, Credentials, IndexConfig } from '../../src/config/config.ts';
import { fieldValue } from '../../src/core/http-message.ts';
import { type ClientResponse, fetchAll, get } from '../support/proxy/http-client.ts';
import { JSON_TYPE } from '../support/proxy/page-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import type { Fault } from '../support/upstream/fault-plan.ts';
import { redirect } from '../support/upstream/faults.ts';
import { authorizationsOf, type RepositoryManager, repositoryManager } from '../support/upstream/repository-manager.ts';
import { wheel } from '../support/upstream/wheels.ts';

const TOKENS = { 'team-a': 'canary-a', 'team-b': 'canary-b' };
const bearer = (token: string): Credentials => ({ kind: 'bearer', token });
const ours = (team: keyof typeof TOKENS) => `Bearer ${TOKENS[team]}`;

interface Place {
  readonly url: string;
  readonly credentials?: Credentials;
}

/** An index of these mirrors. */
function indexConfig(name: string, upstreams: readonly Place[], more: Partial<IndexConfig> = {}): IndexConfig {
  return { name, upstreams, missingStatuses: [], pageOrigins: [], accept: 'any', ...more };
}

async function proxyOver(t: TestContext, indexes: readonly IndexConfig[], config: Partial<Config> = {}) {
  const defaultIndexes = indexes.map(({ name }) => name);
  const proxy = await startProxy({ upstreams: [], config: { indexes, defaultIndexes, fileOrigins: [], ...config } });
  t.after(() => proxy.close());
  return proxy;
}

/** The links of an index's page of a project, absolute. */
async function linksOf(proxy: { readonly url: string }, index: string, project: string): Promise<string[]> {
  const base = `${proxy.url}/${index}/simple/${project}/`;
  const page = await get(base, { accept: JSON_TYPE });
  assert.equal(page.status, 200, page.text());
  const { files } = page.json() as { readonly files: readonly { readonly url: string }[] };
  return files.map(({ url }) => new URL(url, base).href);
}

/** Every way in which something of a listed file is asked for. */
async function everyWay(link: string): Promise<Record<string, ClientResponse>> {
  return {
    head: await fetchAll(link, { method: 'HEAD' }),
    range: await get(link, { range: 'bytes=0-9' }),
    metadata: await get(`${link}.metadata`),
    signature: await get(`${link}.asc`),
    whole: await get(link),
  };
}

const filesOf = (project: string) => [
  wheel({ name: project, version: '1.0', files: { 'x.py': project } }),
  wheel({ name: project, version: '2.0', files: { 'x.py': project } }),
];

/** A page that lists the file at this URL, whose hash it does not know. */
function pageWith(url: string): Fault {
  const body = Buffer.from(`<a href="${url}">${url.split('/').at(-1)}</a>`);
  return ({ send }) => send({ status: 200, fields: ['content-type', 'text/html'], body });
}

async function twoTeams(t: TestContext): Promise<RepositoryManager> {
  return repositoryManager(t, {
    'team-a': { authorization: ours('team-a'), files: filesOf('alpha') },
    'team-b': { authorization: ours('team-b'), files: filesOf('beta') },
  });
}

for (const order of [
  ['team-a', 'team-b'],
  ['team-b', 'team-a'],
] as const) {
  for (const more of [{}, { passRanges: true }, { extractMetadata: true }]) {
    const how = Object.keys(more)[0] ?? 'plain';
    test(`two private indexes on one host are asked with their own tokens (${order.join(', ')}; ${how})`, async (t) => {
      const manager = await twoTeams(t);
      const indexes = order.map((team) => {
        return indexConfig(team, [{ url: manager.base(team), credentials: bearer(TOKENS[team]) }], more);
      });
      const proxy = await proxyOver(t, indexes);
      for (const [team, project] of [['team-b', 'beta'] as const, ['team-a', 'alpha'] as const]) {
        for (const link of await linksOf(proxy, team, project)) {
          for (const [way, { status }] of Object.entries(await everyWay(link))) {
            assert.ok(status === 200 || status === 206, `${way} of ${link}: ${status}`);
          }
        }
        await get(`${proxy.url}/${team}/pypi/${project}/json`);
        assert.deepEqual(authorizationsOf(manager.asked(team)), [ours(team)]);
      }
    });
  }
}

test('a redirect on the own origin keeps the own credentials, wherever it leads there', async (t) => {
  const manager = await twoTeams(t);
  const teams = ['team-a', 'team-b'] as const;
  const indexes = teams.map((team) =>
    indexConfig(team, [{ url: manager.base(team), credentials: bearer(TOKENS[team]) }]),
  );
  const proxy = await proxyOver(t, indexes);
  const [link] = await linksOf(proxy, 'team-b', 'beta');
  manager.server.fault(/^\/team-b\/files\//, redirect('/storage/x.whl'));
  manager.server.fault(/^\/storage\//, ({ send }) =>
    send({ status: 200, fields: [], body: manager.repositories['team-b']!.files[0]!.bytes }),
  );
  assert.equal((await get(link!)).status, 200);
  assert.deepEqual(authorizationsOf(manager.asked('storage')), [ours('team-b')]);
});

for (const way of ['its page', 'a redirect of its files'] as const) {
  for (const own of [undefined, bearer('canary-public')]) {
    const whose = own === undefined ? 'without credentials' : 'with credentials';
    test(`a public index ${whose} cannot have an internal one asked by ${way}`, async (t) => {
      const internal = await twoTeams(t);
      const secret = internal.repositories['team-a']!.files[0]!;
      const demo = wheel({ name: 'demo', version: '1.0' });
      const target = `${internal.server.origin}/team-a/files/${demo.filename}`;
      internal.server.fault(`/team-a/files/${demo.filename}`, ({ send }) =>
        send({ status: 200, fields: [], body: secret.bytes }),
      );
      const publicIndex = await repositoryManager(t, {
        public: { authorization: own && 'Bearer canary-public', files: [demo] },
      });
      if (way === 'its page') {
        publicIndex.server.fault('/public/simple/demo/', pageWith(target));
      } else publicIndex.server.fault(/^\/public\/files\//, redirect(target));
      const proxy = await proxyOver(t, [
        indexConfig('internal', [{ url: internal.base('team-a'), credentials: bearer(TOKENS['team-a']) }]),
        indexConfig('public', [{ url: publicIndex.base('public'), ...(own && { credentials: own }) }]),
      ]);
      const [link] = await linksOf(proxy, 'public', 'demo');
      for (const asked of [link!, link!.replace('/public/files/', '/files/')]) {
        for (const [what, { status, body }] of Object.entries(await everyWay(asked))) {
          assert.ok(status >= 400, `${what}: ${status}`);
          assert.ok(!body.equals(secret.bytes), what);
        }
      }
      // The internal index itself is asked whether it has the project, and for nothing else.
      const paths = new Set(internal.server.log.entries.map(({ path }) => path));
      assert.deepEqual([...paths], ['/team-a/simple/demo/']);
      assert.doesNotMatch(JSON.stringify(publicIndex.server.log.entries), /canary-[ab]/);
    });
  }
}

test('a page that redirects to another index on the same name gets neither its credentials nor its address', async (t) => {
  const internal = await twoTeams(t);
  const publicIndex = await repositoryManager(t, { public: { authorization: undefined, files: filesOf('demo') } });
  publicIndex.server.fault(/^\/public\/simple\//, redirect(`${internal.base('team-a')}alpha/`));
  const proxy = await proxyOver(t, [
    indexConfig('public', [{ url: publicIndex.base('public') }]),
    indexConfig('internal', [{ url: internal.base('team-a'), credentials: bearer(TOKENS['team-a']) }]),
  ]);
  assert.ok((await get(`${proxy.url}/public/simple/demo/`)).status >= 502);
  assert.equal(internal.server.log.count(), 0);
});

test('an open index and a private one on one origin: what the open one lists there is asked without credentials', async (t) => {
  const manager = await repositoryManager(t, {
    open: { authorization: undefined, files: [] },
    'team-a': { authorization: ours('team-a'), files: filesOf('alpha') },
  });
  manager.server.fault('/open/simple/alpha/', pageWith('/team-a/files/alpha-1.0-py3-none-any.whl'));
  const proxy = await proxyOver(t, [
    indexConfig('team-a', [{ url: manager.base('team-a'), credentials: bearer(TOKENS['team-a']) }]),
    indexConfig('open', [{ url: manager.base('open') }]),
  ]);
  const [listed] = await linksOf(proxy, 'open', 'alpha');
  for (const { status } of Object.values(await everyWay(listed!))) assert.ok(status >= 400, String(status));
  assert.deepEqual(authorizationsOf(manager.asked('team-a')), [undefined]);
});

test('mirrors of one index on one origin are asked with the credentials of each', async (t) => {
  const files = filesOf('alpha');
  const manager = await repositoryManager(t, {
    'team-a': { authorization: ours('team-a'), files },
    'team-b': { authorization: ours('team-b'), files },
  });
  const place = (team: keyof typeof TOKENS) => ({ url: manager.base(team), credentials: bearer(TOKENS[team]) });
  const proxy = await proxyOver(t, [indexConfig('main', [place('team-a'), place('team-b')])]);
  manager.server.fault(/^\/team-a\/simple\//, ({ reset }) => reset());
  for (const link of await linksOf(proxy, 'main', 'alpha')) assert.equal((await get(link)).status, 200);
  for (const team of ['team-a', 'team-b'] as const) {
    assert.ok(
      authorizationsOf(manager.asked(team)).every((sent) => sent === ours(team)),
      team,
    );
  }
  assert.ok(manager.asked('team-b').length > 0);
});

test('a raw mount and an index on one origin have each its own credentials', async (t) => {
  const manager = await twoTeams(t);
  const mount = { name: 'builds', redirectOrigins: [], maxBodyBytes: 1e9 };
  const origin = `${manager.server.origin}/team-b/`;
  const proxy = await proxyOver(
    t,
    [indexConfig('main', [{ url: manager.base('team-a'), credentials: bearer(TOKENS['team-a']) }])],
    { raw: [{ ...mount, origin, credentials: bearer(TOKENS['team-b']) }] },
  );
  const file = manager.repositories['team-b']!.files[0]!;
  const url = `${proxy.url}/raw/builds/files/${file.filename}`;
  assert.equal((await get(url)).sha256, file.sha256);
  assert.equal((await fetchAll(url, { method: 'POST', body: 'x' })).status, 200);
  for (const link of await linksOf(proxy, 'main', 'alpha')) assert.equal((await get(link)).status, 200);
  assert.deepEqual(authorizationsOf(manager.asked('team-a')), [ours('team-a')]);
  assert.deepEqual(authorizationsOf(manager.asked('team-b')), [ours('team-b')]);
});

test('file_origins are places of files of every index, and get no credentials but those of an index they belong to', async (t) => {
  const manager = await twoTeams(t);
  const storage = await repositoryManager(t, { store: { authorization: undefined, files: filesOf('alpha') } });
  const [file] = storage.repositories.store!.files;
  const target = `${storage.server.origin}/store/files/${file!.filename}`;
  manager.server.fault(/^\/team-a\/files\//, redirect(target));
  const index = indexConfig('main', [{ url: manager.base('team-a'), credentials: bearer(TOKENS['team-a']) }]);
  const proxy = await proxyOver(t, [index], { fileOrigins: [storage.server.origin] });
  const [link] = await linksOf(proxy, 'main', 'alpha');
  assert.equal((await get(link!)).sha256, file!.sha256);
  assert.ok(storage.server.log.entries.every(({ fields }) => fieldValue(fields, 'authorization') === undefined));
});
