// Who may use the server: with `clients_file` nobody is served who is not on it, and nothing of a credential is shown.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { hashPassword, makeToken } from '../../src/access/secret-hash.ts';
import type { Config } from '../../src/config/config.ts';
import type { Fields } from '../../src/core/http-message.ts';
import { LogSink } from '../../src/observe/log-sink.ts';
import { until } from '../support/clock/until.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { runCommand } from '../support/proxy/command.ts';
import { load, refusal, UPSTREAM } from '../support/proxy/config-world.ts';
import { freePort } from '../support/proxy/free-port.ts';
import { fetchAll, get } from '../support/proxy/http-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { spawnProxy } from '../support/proxy/spawned-proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { FakeServer } from '../support/upstream/fake-server.ts';
import { wheel } from '../support/upstream/wheels.ts';

const LAUNCHER = fileURLToPath(new URL('../../bin/wheelkeep', import.meta.url));
const demo = wheel({ name: 'demo', version: '1.0' });
const ci = makeToken();
const PASSWORD = 'canary-password';
const ALICE = `alice:${await hashPassword(PASSWORD, { ln: 10, r: 8, p: 1 })}\n`;
const CI = `ci:${ci.hash}\n`;

function basic(name: string, password: string): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}` };
}
const alice = basic('alice', PASSWORD);
const bearer = { authorization: `Bearer ${ci.token}` };

async function guarded(t: TestContext, more: Partial<Config> = {}) {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  index.add('demo', demo);
  const file = join(await temporaryFolder(t), 'clients');
  await writeFile(file, ALICE + CI);
  const lines: string[] = [];
  const sink = new LogSink({ write: (text) => lines.push(text) > 0, flush: () => {} });
  const clients = { file, content: ALICE + CI, count: 2 };
  const config: Partial<Config> = { clients, logLevel: 'info', ...more };
  const proxy = await startProxy({ upstreams: [index.url], config, overrides: { sink } });
  t.after(() => proxy.close());
  const log = () => {
    sink.handOver();
    return lines.join('');
  };
  return { index, proxy, file, page: `${proxy.url}/simple/demo/`, log };
}

test('without a right credential nothing is served but health, cold and hot', async (t) => {
  const { index, proxy, page } = await guarded(t);
  const paths = [
    '/',
    '/simple/',
    '/simple/demo/',
    '/metrics',
    '/last-modified',
    '/pypi/demo/json',
    '/nothing',
    '/-/x',
    '/raw/x/',
  ];
  const wrong = [{}, basic('alice', 'wrong'), basic('bob', PASSWORD), { authorization: 'Bearer x' }];
  const refuseAll = async () => {
    for (const path of paths) {
      for (const fields of path === '/simple/demo/' ? wrong : [{}]) {
        const answer = await get(proxy.url + path, fields);
        assert.deepEqual([answer.status, answer.field('cache-control')], [401, 'no-store'], path);
        assert.equal(answer.field('www-authenticate'), 'Basic realm="wheelkeep", charset="UTF-8"');
      }
    }
  };
  await refuseAll();
  assert.equal(index.requests('/simple/demo/'), 0, 'no upstream is asked for a stranger');
  for (let i = 0; i < 3; i++) assert.equal((await get(page, alice)).status, 200);
  await refuseAll();
  for (const path of ['/-/live', '/-/ready']) assert.equal((await get(proxy.url + path)).status, 200);
  const token = (await readFile(join(proxy.dataDir, 'admin-token'), 'utf8')).trim();
  assert.equal((await get(`${proxy.url}/-/api/stats`)).status, 401);
  assert.equal((await get(`${proxy.url}/-/api/stats`, bearer)).status, 401, 'a client is no administrator');
  assert.equal((await get(`${proxy.url}/-/api/stats`, { authorization: `Bearer ${token}` })).status, 200);
});

test('pages and files are for known clients, and no cache in front may give them to others', async (t) => {
  const { index, proxy, page } = await guarded(t);
  for (const fields of [alice, bearer, basic('ci', ci.token), alice, bearer]) {
    const answer = await get(page, { accept: 'application/vnd.pypi.simple.v1+json', ...fields });
    assert.equal(answer.status, 200);
    assert.match(answer.field('cache-control')!, /^private, max-age=\d+$/);
    const { files } = answer.json() as { files: { url: string }[] };
    const link = new URL(files[0]!.url, page).href;
    assert.equal((await get(link)).status, 401);
    const file = await get(link, fields);
    assert.equal(file.sha256, demo.sha256);
    assert.match(file.field('cache-control')!, /^private, /);
  }
  assert.match((await get(`${proxy.url}/simple/Demo`, alice)).field('cache-control')!, /^private/);
  assert.equal((await get(page, { ...alice, 'if-none-match': (await get(page, alice)).field('etag')! })).status, 304);
  for (const entry of index.log.entries) assert.ok(!/authorization/i.test(entry.fields.join()));
});

test('the log names the client and its address, and never what it proved itself with', async (t) => {
  const { proxy, page, log } = await guarded(t, { trustedProxies: ['127.0.0.1'] });
  await get(page, { ...alice, 'x-forwarded-for': '198.51.100.1' });
  await get(page, { ...alice, 'x-forwarded-for': '198.51.100.1' });
  await get(page, basic('mallory', 'canary-guess'));
  await get(page, bearer);
  // A scrape settles what was noted.
  await get(`${proxy.url}/metrics`, alice);
  assert.match(log(), /request id=1 client=198\.51\.100\.1 user=alice GET \/simple\/demo\/ status=200/);
  assert.match(log(), /request id=2 client=198\.51\.100\.1 user=alice GET \/simple\/demo\/ status=200/);
  assert.match(log(), /request id=3 client=127\.0\.0\.1 GET \/simple\/demo\/ status=401/);
  assert.match(log(), /request id=4 client=127\.0\.0\.1 user=ci GET/);
  for (const secret of ['canary', 'mallory', ci.token, ci.hash]) assert.ok(!log().includes(secret), secret);
});

test('an address that guesses has to wait, known clients behind it do not', async (t) => {
  const { page } = await guarded(t);
  assert.equal((await get(page, alice)).status, 200);
  for (let i = 0; i < 20; i++) assert.equal((await get(page, basic('ci', `guess ${i}`))).status, 401);
  const barred = await get(page, basic('ci', 'another'));
  assert.equal(barred.status, 429);
  const wait = Number(barred.field('retry-after'));
  assert.ok(wait > 0 && wait <= 60);
  assert.equal((await get(page, bearer)).status, 429, 'nothing is checked for it, not even what is right');
  assert.equal((await get(page, alice)).status, 200, 'what is known needs no check');
});

test('a list that changes counts within seconds, a broken one changes nothing', async (t) => {
  const { page, file } = await guarded(t);
  assert.equal((await get(page, alice)).status, 200);
  await writeFile(file, 'alice:nonsense\n');
  await writeFile(file, '');
  assert.equal((await get(page, alice)).status, 200);
  const bob = makeToken();
  await writeFile(file, `${CI}bob:${bob.hash}\n`);
  await until(async () => (await get(page, basic('bob', bob.token))).status === 200, 'the new client is let in');
  assert.equal((await get(page, alice)).status, 401, 'who was let in before is out');
  assert.equal((await get(page, bearer)).status, 200);
});

test('who comes together with one password waits for one check of it', async (t) => {
  const { page } = await guarded(t);
  const answers = await Promise.all(Array.from({ length: 50 }, () => get(page, alice)));
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
});

test("a raw mount gets its own credential and never the client's; its answers are private", async (t) => {
  const fields: Fields = [
    'cache-control',
    'public, max-age=600, s-maxage=900, must-revalidate',
    'cdn-cache-control',
    'max-age=600',
  ];
  const origin = await FakeServer.start({ respond: () => ({ status: 200, fields, body: Buffer.from('built') }) });
  t.after(() => origin.close());
  const mount = {
    name: 'builds',
    origin: `${origin.origin}/`,
    redirectOrigins: [],
    maxBodyBytes: 1e6,
    listen: { host: '127.0.0.1', port: 0 },
  };
  const { proxy } = await guarded(t, { raw: [mount], fileOrigins: [origin.origin] });
  const root = proxy.app.rawUrls.get('builds')!;
  for (const url of [`${proxy.url}/raw/builds/x`, `${root}x`, `${root}-/live`, `${root}-/api/stats`]) {
    assert.equal((await get(url)).status, 401, url);
  }
  for (const outcome of ['; fwd=', '; hit']) {
    const answer = await get(`${root}x`, alice);
    assert.equal(answer.status, 200);
    assert.equal(answer.field('cache-control'), 'private, max-age=600, must-revalidate');
    assert.equal(answer.field('cdn-cache-control'), undefined);
    assert.ok(answer.field('cache-status')!.includes(outcome), answer.field('cache-status'));
  }
  await fetchAll(`${root}x`, { method: 'POST', fields: alice, body: 'x' });
  assert.equal(origin.log.count(), 2);
  for (const entry of origin.log.entries) assert.ok(!/authorization/i.test(entry.fields.join()));
});

test('the second address of the administration asks for no client', async (t) => {
  const { proxy } = await guarded(t, { adminListen: { host: '127.0.0.1', port: 0 } });
  assert.equal((await get(`${proxy.app.adminUrl}metrics`)).status, 200);
  assert.equal((await get(`${proxy.url}/simple/`)).status, 401);
});

test('what is wrong with the list is said before the start', async (t) => {
  const env = { WHEELKEEP_UPSTREAM: UPSTREAM, WHEELKEEP_CLIENTS_FILE: 'clients' };
  assert.match(
    (await refusal(t, { env })).join(),
    /^clients_file = \S+clients \(WHEELKEEP_CLIENTS_FILE\): cannot be read \(ENOENT\)/,
  );
  const files = { clients: 'alice:secret\n' };
  const [line] = await refusal(t, { env, files });
  assert.match(
    line!,
    /^clients_file = .*: line 1 is no client; expected lines as "wheelkeep client <name>" prints them$/,
  );
  const both = await refusal(t, { env: { ...env, WHEELKEEP_UPLOADS: 'true' }, files: { clients: CI } });
  assert.match(both.join(), /^uploads = true .*cannot go with clients_file/);
  assert.equal((await load(t, { env, files: { clients: ALICE + CI } })).config.clients!.count, 2);
  const proxies = await refusal(t, {
    env: { WHEELKEEP_UPSTREAM: UPSTREAM, WHEELKEEP_TRUSTED_PROXIES: '10.0.0.0/8,proxy' },
  });
  assert.match(proxies.join(), /^trusted_proxies = .*expected an address or a network, for example/);
});

test('wheelkeep client makes the line that lets its maker in', async (t) => {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  index.add('demo', demo);
  const dataDir = await temporaryFolder(t);
  const made = spawn(LAUNCHER, ['client', 'carol'], { stdio: ['pipe', 'pipe', 'inherit'] });
  made.stdin.end('a long password\n');
  const [line] = (await once(made.stdout.setEncoding('utf8'), 'data')) as [string];
  assert.match(line, /^carol:\$scrypt\$ln=15,r=8,p=3\$/);
  const withToken = await runCommand({ index, dataDir }, 'client', 'ci', '--token');
  const token = /as password of ci: (\S+)\n$/.exec(withToken.stderr)![1]!;
  assert.ok(!withToken.stdout.includes(token));
  for (const args of [['a:b'], ['-'], ['x'.repeat(65)]])
    assert.equal((await runCommand({ index, dataDir }, 'client', ...args)).code, 2);
  const file = join(dataDir, 'clients');
  await writeFile(file, line + withToken.stdout);
  const env = { WHEELKEEP_CLIENTS_FILE: file };
  const port = await freePort();
  const proxy = await spawnProxy({ dataDir, upstreams: [index.url], port, env });
  t.after(() => proxy.stop('SIGKILL'));
  assert.ok(proxy.output().includes(`clients: 2 of ${file}; nobody else is served\n`));
  assert.ok(proxy.output().includes('--index-url http://NAME:PASSWORD@127.0.0.1:'));
  for (const fields of [basic('carol', 'a long password'), basic('ci', token), { authorization: `Bearer ${token}` }]) {
    assert.equal((await get(`${proxy.url}/simple/demo/`, fields)).status, 200);
  }
  assert.equal((await get(`${proxy.url}/simple/demo/`)).status, 401);
  const commands = { index, dataDir, env: { ...env, WHEELKEEP_PORT: String(port) } };
  assert.equal((await runCommand(commands, 'ready')).code, 0);
  assert.equal((await runCommand(commands, 'stats')).code, 0);
});

test('env writes addresses with credentials, and says when they are missing', async (t) => {
  const dataDir = await temporaryFolder(t);
  const file = join(dataDir, 'clients');
  await writeFile(file, CI);
  const world = { index: { url: UPSTREAM }, dataDir, env: { WHEELKEEP_CLIENTS_FILE: file } };
  const named = await runCommand(world, 'env', '--url', `https://ci:it's$5@wheels.example/w`);
  assert.match(
    named.stdout,
    /^export PIP_INDEX_URL='https:\/\/ci:it%27s%245@wheels\.example\/w\/simple\/'\nexport UV_/,
  );
  assert.match(
    named.stdout,
    /poetry source add .* https:\/\/wheels\.example\/w\/simple\/\n# and name and password in POETRY_/,
  );
  assert.doesNotMatch(named.stdout, /prove who they are|TRUSTED/);
  assert.match((await runCommand(world, 'env')).stdout, /^# Clients have to prove who they are/m);
  const wrong = await runCommand(world, 'env', '--url', 'https://ci:canary@wheels.example/?x');
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /--url = https:\/\/\*\*\*@wheels.example/);
});
