// Behind a front server that passes its prefix on: everything lies below the base path, and links lead below it.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { runCommand } from '../support/proxy/command.ts';
import { refusal, UPSTREAM } from '../support/proxy/config-world.ts';
import { fetchAll, get, sendRaw } from '../support/proxy/http-client.ts';
import { type ProxyOptions, startProxy } from '../support/proxy/proxy.ts';
import { spawnProxy } from '../support/proxy/spawned-proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { wheel } from '../support/upstream/wheels.ts';

const demo = wheel({ name: 'demo', version: '1.0' });

async function below(t: TestContext, config: ProxyOptions['config'] = {}) {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  index.add('demo', demo);
  const proxy = await startProxy({ upstreams: [index.url], config: { basePath: '/team/wheels', ...config } });
  t.after(() => proxy.close());
  return { index, proxy, root: new URL(proxy.url).origin };
}

test('pages, files, status and health are below the base path and nowhere else', async (t) => {
  const { proxy, root } = await below(t);
  assert.equal(proxy.url, `${root}/team/wheels`);
  for (const path of ['/', '/simple/', '/simple/demo/', '/metrics', '/-/live', '/-/ready', '/last-modified']) {
    assert.equal((await get(proxy.url + path)).status, 200, path);
    assert.equal((await get(root + path)).status, 404, path);
  }
  for (const path of [
    '/team/wheels',
    '/team/wheelsimple/',
    '/team/',
    '/TEAM/wheels/simple/',
    '//team/wheels/simple/',
  ]) {
    const answer = await get(root + path);
    assert.deepEqual([answer.status, answer.field('content-type')], [404, 'application/problem+json'], path);
  }
  // What is hot stays below it as well.
  for (let i = 0; i < 3; i++) assert.equal((await get(`${proxy.url}/simple/demo/`)).status, 200);
  assert.equal((await get(`${root}/simple/demo/`)).status, 404);
});

test('links and redirects lead below the base path', async (t) => {
  const { proxy } = await below(t);
  const url = `${proxy.url}/simple/demo/`;
  const { files } = (await get(url, { accept: 'application/vnd.pypi.simple.v1+json' })).json() as {
    files: { url: string }[];
  };
  const link = new URL(files[0]!.url, url).href;
  assert.ok(link.startsWith(`${proxy.url}/files/http/`), link);
  assert.equal((await get(link)).sha256, demo.sha256);
  const moved = await get(`${proxy.url}/simple/Demo`);
  assert.equal(moved.status, 301);
  assert.equal(new URL(moved.field('location')!, `${proxy.url}/simple/Demo`).href, url);
});

test('the absolute form counts by its path; a target that is none is refused', async (t) => {
  const { root, proxy } = await below(t);
  const ask = (target: string) =>
    sendRaw(root, `GET ${target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`);
  assert.match(await ask('http://elsewhere.example/team/wheels/simple/demo/'), /^HTTP\/1.1 200/);
  assert.match(await ask('http://elsewhere.example/simple/demo/'), /^HTTP\/1.1 404/);
  assert.match(await ask('team/wheels/simple/'), /^HTTP\/1.1 400/);
  assert.equal((await fetchAll(`${proxy.url}/simple/demo/`, { method: 'HEAD' })).status, 200);
});

test('an address of its own for the administration has no prefix', async (t) => {
  const { proxy } = await below(t, { adminListen: { host: '127.0.0.1', port: 0 } });
  assert.equal((await get(`${proxy.app.adminUrl}-/ready`)).status, 200);
  assert.equal((await get(`${proxy.url}/-/ready`)).status, 404);
});

test('commands and first lines know the base path', async (t) => {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const dataDir = await temporaryFolder(t);
  const proxy = await spawnProxy({ dataDir, upstreams: [index.url], env: { WHEELKEEP_BASE_PATH: '/wheels/' } });
  t.after(() => proxy.stop('SIGKILL'));
  assert.match(proxy.output(), /^Wheelkeep \S+ listens on http:\/\/127.0.0.1:\d+\/wheels\/\n/);
  assert.match(proxy.output(), /--index-url http:\/\/127.0.0.1:\d+\/wheels\/simple\/ requests/);
  const env = { WHEELKEEP_PORT: String(proxy.port), WHEELKEEP_BASE_PATH: '/wheels' };
  const run = (...args: string[]) => runCommand({ index, dataDir, env }, ...args);
  assert.equal((await run('ready')).code, 0);
  assert.match((await run('stats')).stdout, /^running since/);
  const variables = (await run('env', '--format', 'dotenv')).stdout;
  assert.ok(variables.startsWith(`PIP_INDEX_URL=http://127.0.0.1:${proxy.port}/wheels/simple/\n`));
  assert.match((await run('run', '--', 'printenv', 'PIP_INDEX_URL')).stdout, /^http:\/\/127.0.0.1:\d+\/simple\/\n/);
});

test('a base path that is none, or not the end of public_url, is refused', async (t) => {
  for (const path of ['wheels', '/', '/a//b', '/a/../b', '/a?b', '/ä', '/a b']) {
    const lines = await refusal(t, { env: { WHEELKEEP_UPSTREAM: UPSTREAM, WHEELKEEP_BASE_PATH: path } });
    assert.match(lines.join(), /^base_path = .*: expected a path of letters/, path);
  }
  const both = { WHEELKEEP_BASE_PATH: '/wheels', WHEELKEEP_PUBLIC_URL: 'https://company.example/' };
  const lines = await refusal(t, { env: { WHEELKEEP_UPSTREAM: UPSTREAM, ...both } });
  assert.match(lines.join(), /^public_url = https:\/\/company.example\/ .*expected an address that ends in base_path/);
});
