// Our own listeners over TLS: certificate and key are checked before the start, and exchanged while we run.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rename, writeFile } from 'node:fs/promises';
import { Agent } from 'node:https';
import { connect as connectPlain } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect } from 'node:tls';
import { readIdentity } from '../../src/access/tls-identity.ts';
import { type Log, quietLog } from '../../src/observe/log.ts';
import { parseMetrics } from '../support/assert/prometheus-text.ts';
import { until } from '../support/clock/until.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { runCommand } from '../support/proxy/command.ts';
import { load, refusal, UPSTREAM } from '../support/proxy/config-world.ts';
import { freePort } from '../support/proxy/free-port.ts';
import { fetchAll, sendRaw } from '../support/proxy/http-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { spawnTeam } from '../support/proxy/workers.ts';
import { certificateAuthority } from '../support/upstream/certificates.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import type { Identity } from '../support/upstream/fake-server.ts';
import { wheel } from '../support/upstream/wheels.ts';

const authority = certificateAuthority();
const ca = authority.cert;
const demo = wheel({ name: 'demo', version: '1.0' });
const DAY_MS = 86_400_000;

/** Replaces both files as cert-manager and certbot do: whole, one after the other. */
async function put(folder: string, { cert, key }: Identity): Promise<{ certFile: string; keyFile: string }> {
  const files = { certFile: join(folder, 'tls.crt'), keyFile: join(folder, 'tls.key') };
  for (const [path, text] of [
    [files.certFile, cert],
    [files.keyFile, key],
  ] as const) {
    await writeFile(`${path}.new`, text, { mode: 0o600 });
    await rename(`${path}.new`, path);
  }
  return files;
}

async function secured(t: TestContext, log: Log = quietLog) {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  index.add('demo', demo);
  const folder = await temporaryFolder(t);
  const files = await put(folder, authority.issue(['127.0.0.1']));
  const tls = { ...files, minVersion: 'TLSv1.2' as const, identity: await readIdentity(files) };
  const config = { tls, adminListen: { host: '127.0.0.1', port: 0 } };
  const proxy = await startProxy({ upstreams: [index.url], config, overrides: { log } });
  t.after(() => proxy.close());
  const page = `${proxy.url}/simple/demo/`;
  return { index, folder, proxy, page };
}

/** The serial number of the certificate that a new connection is shown. */
async function shownBy(url: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), ca });
  await once(socket, 'secureConnect');
  const { serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  return serialNumber;
}

test('pages, files, administration and metrics come over TLS, and over nothing else', async (t) => {
  const { proxy, page } = await secured(t);
  assert.match(proxy.url, /^https:/);
  const answer = await fetchAll(page, { ca, fields: { accept: 'application/vnd.pypi.simple.v1+json' } });
  assert.equal(answer.status, 200);
  const { files } = answer.json() as { files: { url: string }[] };
  const file = await fetchAll(new URL(files[0]!.url, page).href, { ca });
  assert.equal(file.sha256, demo.sha256);
  await assert.rejects(fetchAll(page), { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' });
  for (const url of [proxy.url, proxy.app.adminUrl!]) {
    assert.equal(await sendRaw(url, 'GET /-/live HTTP/1.1\r\nhost: localhost\r\n\r\n'), '');
  }
  const scraped = parseMetrics((await fetchAll(`${proxy.app.adminUrl}metrics`, { ca })).text());
  assert.equal(scraped['wheelkeep_rejected_requests_total{reason="tls"}'], 2);
  const days = (scraped.wheelkeep_certificate_expiry_timestamp_seconds! * 1000 - Date.now()) / DAY_MS;
  assert.ok(days > 364 && days < 366);
});

test('versions before 1.2 are refused', async (t) => {
  const { proxy } = await secured(t);
  const { port } = new URL(proxy.url);
  const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
  const socket = connect({ host: '127.0.0.1', port: Number(port), ca, ...old });
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
  assert.match(String(error.code), /PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL/);
});

test('a renewed certificate is shown to new connections at both addresses; open ones go on', async (t) => {
  const { folder, proxy, page } = await secured(t);
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ca });
  t.after(() => agent.destroy());
  await fetchAll(page, { agent, ca });
  const first = await shownBy(proxy.url);
  await put(folder, authority.issue(['127.0.0.1']));
  await until(async () => (await shownBy(proxy.url)) !== first, 'the new certificate is shown');
  assert.equal(await shownBy(proxy.app.adminUrl!), await shownBy(proxy.url));
  const [kept] = Object.values(agent.freeSockets)[0]!;
  assert.equal((await fetchAll(page, { agent, ca })).status, 200);
  assert.equal(Object.values(agent.freeSockets)[0]![0], kept, 'over the connection from before');
});

test('a broken new certificate changes nothing but the log; a mended one counts', async (t) => {
  const errors: string[] = [];
  const log = { ...quietLog, error: (message: string, fields = {}) => errors.push(message + JSON.stringify(fields)) };
  const { folder, proxy } = await secured(t, log);
  const first = await shownBy(proxy.url);
  const next = authority.issue(['127.0.0.1']);
  await writeFile(join(folder, 'tls.crt'), next.cert.slice(0, 200));
  await until(() => errors.length === 1, 'the damaged certificate is told of');
  assert.match(errors[0]!, /the one before stays.*tls\.crt.*holds no certificate/);
  await writeFile(join(folder, 'tls.crt'), next.cert);
  await until(() => errors.length === 2, 'the key that does not belong to it is told of');
  assert.match(errors[1]!, /does not belong to the first certificate/);
  assert.equal(await shownBy(proxy.url), first);
  await writeFile(join(folder, 'tls.key'), next.key);
  await until(async () => (await shownBy(proxy.url)) !== first, 'the new pair is shown');
  assert.equal(errors.length, 2);
  assert.ok(!errors.join().includes('PRIVATE'));
});

test('a connection that never says a word of TLS does not hold up the end', async (t) => {
  const { proxy } = await secured(t);
  const silent = connectPlain(proxy.port, '127.0.0.1');
  await once(silent, 'connect');
  const startedAt = performance.now();
  await Promise.all([proxy.app.close('finish'), once(silent, 'close')]);
  assert.ok(performance.now() - startedAt < 900);
});

test('what is wrong with certificate or key is said before the start, each with its option', async (t) => {
  const good = authority.issue(['127.0.0.1']);
  const other = authority.issue(['127.0.0.1']);
  const tell = (files: Record<string, string>, yaml = 'tls: { cert_file: tls.crt, key_file: tls.key }') =>
    refusal(t, { files: { ...files, 'wheelkeep.yaml': `upstream: ${UPSTREAM}\n${yaml}\n` } });
  const cases: [Record<string, string>, RegExp][] = [
    [{ 'tls.crt': good.cert }, /^tls\.key_file = \S+tls\.key \(wheelkeep.yaml line 2\): cannot be read \(ENOENT\)/],
    [{ 'tls.crt': 'x', 'tls.key': good.key }, /^tls\.cert_file = \S+ .*: holds no certificate; expected a PEM file/],
    [{ 'tls.crt': good.cert, 'tls.key': 'x' }, /^tls\.key_file = .*: holds no private key; expected a PEM file/],
    [{ 'tls.crt': good.cert, 'tls.key': other.key }, /^tls\.key_file = .*: does not belong to the first certificate/],
  ];
  for (const [files, expected] of cases) assert.match((await tell(files)).join('\n'), expected);
  const pair = { 'tls.crt': good.cert, 'tls.key': good.key };
  assert.deepEqual(await tell(pair, 'tls: { cert_file: tls.crt }'), [
    'tls.cert_file = tls.crt (wheelkeep.yaml line 2): has no effect by itself; set tls.cert_file and tls.key_file',
  ]);
  assert.match(
    (await tell(pair, 'tls: { cert_file: tls.crt, key_file: tls.key, min_version: "1.1" }')).join('\n'),
    /^tls\.min_version = 1\.1 .*one of 1\.2, 1\.3/,
  );
});

test('an expired certificate, or one that soon expires, is warned of', async (t) => {
  const warningsFor = async (identity: Identity) => {
    const files = { 'tls.crt': identity.cert, 'tls.key': identity.key };
    const env = { WHEELKEEP_UPSTREAM: UPSTREAM, WHEELKEEP_TLS_CERT_FILE: 'tls.crt', WHEELKEEP_TLS_KEY_FILE: 'tls.key' };
    return (await load(t, { files, env })).warnings.join();
  };
  const ending = (days: number) => authority.issue(['127.0.0.1'], { notAfter: new Date(Date.now() + days * DAY_MS) });
  assert.match(await warningsFor(ending(-0.5)), /tls\.crt expired on 2\S+Z: no client accepts it/);
  assert.match(await warningsFor(ending(3)), /tls\.crt expires on 2/);
  assert.equal(await warningsFor(ending(30)), '');
});

test('workers share the listener, all exchange the certificate, and commands trust exactly that certificate', async (t) => {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  index.add('demo', demo);
  const dataDir = await temporaryFolder(t);
  // For a name that clients use: commands on this machine ask an address.
  const { certFile, keyFile } = await put(dataDir, authority.issue(['wheels.example']));
  const adminListen = `127.0.0.1:${await freePort()}`;
  const tls = { WHEELKEEP_TLS_CERT_FILE: certFile, WHEELKEEP_TLS_KEY_FILE: keyFile };
  const team = await spawnTeam(2, { dataDir, upstreams: [index.url], adminListen, env: tls });
  t.after(() => team.stop('SIGKILL'));
  assert.match(team.output(), /listens on https:\/\/127/);
  const env = { ...tls, WHEELKEEP_PORT: String(team.port), WHEELKEEP_ADMIN_LISTEN: adminListen };
  const run = (...args: string[]) => runCommand({ index, dataDir, env }, ...args);
  assert.equal((await run('ready')).stdout, `https://${adminListen}/ ready\n`);
  assert.match((await run('explain', 'demo')).stdout, /^demo: no index gives it/);
  assert.match(
    (await run('env', '--format', 'dotenv')).stdout,
    new RegExp(`^PIP_INDEX_URL=https://127.0.0.1:${team.port}/simple/\nUV_`),
  );
  assert.match((await run('run', '--', 'printenv', 'PIP_INDEX_URL')).stdout, /^http:\/\/127/);
  await put(dataDir, authority.issue(['wheels.example']));
  await until(() => team.output().split('the certificate was exchanged').length === 3, 'both workers exchange it');
  assert.match((await run('stats')).stdout, /^running since/);
  const stranger = await put(await temporaryFolder(t), authority.issue(['wheels.example']));
  const mistaken = { ...env, WHEELKEEP_TLS_CERT_FILE: stranger.certFile, WHEELKEEP_TLS_KEY_FILE: stranger.keyFile };
  const { code, stderr } = await runCommand({ index, dataDir, env: mistaken }, 'stats');
  assert.equal(code, 1);
  assert.match(stderr, /shows another certificate than/);
});

test('over TLS, too, what follows an offer to switch protocols in the same packet is answered', async (t) => {
  const { proxy } = await secured(t);
  const { hostname, port } = new URL(proxy.url);
  const socket = connect({ host: hostname, port: Number(port), ca });
  t.after(() => socket.destroy());
  const ask = (fields: string) => `GET /simple/demo/ HTTP/1.1\r\nHost: 127.0.0.1\r\n${fields}\r\n`;
  const offer = 'Connection: Upgrade\r\nUpgrade: h2c\r\n';
  socket.write(ask(offer) + ask('') + ask(offer) + ask('Connection: close\r\n'));
  let text = '';
  for await (const chunk of socket.setEncoding('latin1')) text += chunk;
  assert.equal(text.match(/HTTP\/1\.1 200/g)?.length, 4);
});
