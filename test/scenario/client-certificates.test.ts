// Upstreams that want a client certificate: pages, files and uploads prove themselves, renewals count while we run, and
// no other origin sees the certificate.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rename, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import type { IndexConfig } from '../../src/config/config.ts';
import { until } from '../support/clock/until.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { load, refusal } from '../support/proxy/config-world.ts';
import { get } from '../support/proxy/http-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { certificateAuthority } from '../support/upstream/certificates.ts';
import { upload } from '../support/upstream/upload-index.ts';
import { wheel } from '../support/upstream/wheels.ts';

const servers = certificateAuthority();
const clients = certificateAuthority();
const DEMO = wheel({ name: 'demo', version: '1.0' });

/** Serves a page, a file and uploads to those with a certificate of `clients`, or to everybody; and notes who came. */
async function secureServer(t: TestContext, wanted: boolean, filesAt?: () => string, keepsAlive = false) {
  const seen: (string | undefined)[] = [];
  const options = { ...servers.issue(['127.0.0.1']), ca: clients.cert, requestCert: true, rejectUnauthorized: wanted };
  const server = createServer({ ...options, maxVersion: 'TLSv1.3' }, (request, response) => {
    seen.push((request.socket as TLSSocket).getPeerCertificate().subject?.CN as string | undefined);
    // Each request on a connection of its own, so that a renewed certificate is seen.
    if (!keepsAlive) response.setHeader('connection', 'close');
    if (request.method === 'POST') {
      request.resume();
      return request.on('end', () => response.end('taken'));
    }
    if (request.url!.startsWith('/files/')) return response.end(DEMO.bytes);
    response.setHeader('content-type', 'application/vnd.pypi.simple.v1+json');
    const url = `${filesAt?.() ?? ''}/files/${DEMO.filename}`;
    const files = [{ filename: DEMO.filename, url, hashes: { sha256: DEMO.sha256 } }];
    return response.end(JSON.stringify({ meta: { 'api-version': '1.0' }, name: 'demo', files }));
  });
  server.on('tlsClientError', () => seen.push('refused'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { origin: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

async function identityFiles(t: TestContext, name: string) {
  const folder = await temporaryFolder(t);
  const files = { certFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem') };
  const write = async (who: string) => {
    const { cert, key } = clients.issue([who]);
    for (const [path, text] of [
      [files.keyFile, key],
      [files.certFile, cert],
    ] as const) {
      await writeFile(`${path}.new`, text as string);
      await rename(`${path}.new`, path);
    }
  };
  await write(name);
  return { files, write };
}

function index(name: string, origin: string, clientCertificate?: { certFile: string; keyFile: string }): IndexConfig {
  const upstream = { url: `${origin}/simple/`, ...(clientCertificate && { clientCertificate }) };
  return { name, upstreams: [upstream], missingStatuses: [], pageOrigins: [], accept: 'any' };
}

test('pages, files and uploads of an index prove themselves by its certificate, also by a renewed one', async (t) => {
  const server = await secureServer(t, true);
  const { files, write } = await identityFiles(t, 'first.example');
  const config = {
    indexes: [index('default', server.origin, files)],
    fileOrigins: [server.origin],
    extraCertificates: [servers.cert],
    uploads: true,
    pageFreshMs: 0,
  };
  const proxy = await startProxy({ upstreams: [server.origin], config });
  t.after(() => proxy.close());
  const page = () => get(`${proxy.url}/simple/demo/`, { 'cache-control': 'no-cache' });
  assert.equal((await page()).status, 200);
  const path = `/files/https/${new URL(server.origin).host}/files/${DEMO.filename}`;
  assert.equal((await get(`${proxy.url}${path}`)).sha256, DEMO.sha256);
  assert.equal(await upload(`${proxy.url}/legacy/`, 'demo', DEMO.filename), 200);
  assert.deepEqual(new Set(server.seen), new Set(['first.example']));
  await write('second.example');
  await until(async () => {
    await upload(`${proxy.url}/legacy/`, 'demo', DEMO.filename);
    return server.seen.at(-1) === 'second.example';
  }, 'the renewed certificate is shown');
  // Half a renewal changes nothing.
  await writeFile(files.certFile, 'half of a');
  assert.equal((await page()).status, 200);
  assert.equal(server.seen.at(-1), 'second.example');
});

test('without the certificate such an index is a failure, and no other origin sees it', async (t) => {
  const guest = await secureServer(t, true);
  const outside = await secureServer(t, false);
  const { files } = await identityFiles(t, 'first.example');
  const inside = await secureServer(t, true, () => outside.origin);
  const config = {
    indexes: [index('inside', inside.origin, files), index('guest', guest.origin)],
    defaultIndexes: ['inside'],
    fileOrigins: [outside.origin],
    extraCertificates: [servers.cert],
  };
  const proxy = await startProxy({ upstreams: [inside.origin], config });
  t.after(() => proxy.close());
  assert.equal((await get(`${proxy.url}/guest/simple/demo/`)).status, 502);
  assert.ok(!guest.seen.includes('first.example'));
  assert.equal((await get(`${proxy.url}/inside/simple/demo/`)).status, 200);
  const path = `/inside/files/https/${new URL(outside.origin).host}/files/${DEMO.filename}`;
  assert.equal((await get(`${proxy.url}${path}`)).sha256, DEMO.sha256);
  assert.deepEqual(inside.seen, ['first.example']);
  assert.deepEqual(outside.seen, [undefined]);
});

test('a page of another index that lists a file there does not bring the certificate along, nor its connections', async (t) => {
  const inside = await secureServer(t, false, undefined, true);
  const stranger = await secureServer(t, false, () => inside.origin);
  const { files } = await identityFiles(t, 'first.example');
  const config = {
    indexes: [index('inside', inside.origin, files), index('stranger', stranger.origin)],
    defaultIndexes: ['inside'],
    fileOrigins: [inside.origin],
    extraCertificates: [servers.cert],
  };
  const proxy = await startProxy({ upstreams: [inside.origin], config });
  t.after(() => proxy.close());
  // Its connection is idle and open now, and proves us.
  assert.equal((await get(`${proxy.url}/inside/simple/demo/`)).status, 200);
  assert.deepEqual(inside.seen, ['first.example']);
  assert.equal((await get(`${proxy.url}/stranger/simple/demo/`)).status, 200);
  const path = `/stranger/files/https/${new URL(inside.origin).host}/files/${DEMO.filename}`;
  assert.equal((await get(`${proxy.url}${path}`)).sha256, DEMO.sha256);
  assert.deepEqual(inside.seen, ['first.example', undefined]);
});

test('client_certificate is checked at the start: of an index, of one upstream, and once for an origin', async (t) => {
  const { cert, key } = clients.issue(['me.example']);
  const other = clients.issue(['other.example']);
  const pems = {
    'me.pem': String(cert),
    'me.key': String(key),
    'other.pem': String(other.cert),
    'other.key': String(other.key),
  };
  const yaml = (text: string) => ({ files: { ...pems, 'wheelkeep.yaml': text } });
  const { config, folder } = await load(
    t,
    yaml(`indexes:
  a:
    upstreams:
      - https://one.example/simple/
      - url: https://two.example/simple/
        client_certificate: { cert_file: other.pem, key_file: other.key }
    client_certificate: { cert_file: me.pem, key_file: me.key }
`),
  );
  assert.deepEqual(
    config.indexes[0]!.upstreams.map(({ clientCertificate }) => clientCertificate),
    [
      { certFile: join(folder, 'me.pem'), keyFile: join(folder, 'me.key') },
      { certFile: join(folder, 'other.pem'), keyFile: join(folder, 'other.key') },
    ],
  );
  const wrong = (certificate: string, url = 'https://one.example/simple/') =>
    refusal(t, yaml(`indexes:\n  a:\n    upstreams: ['${url}']\n    client_certificate: ${certificate}\n`));
  assert.match(
    (await wrong('{ cert_file: none.pem, key_file: me.key }')).join('\n'),
    /client_certificate\.cert_file.*ENOENT/,
  );
  assert.match((await wrong('{ cert_file: me.pem, key_file: other.key }')).join('\n'), /key_file.*does not belong/);
  assert.match((await wrong('{ cert_file: me.pem }')).join('\n'), /key_file/);
  assert.match(
    (await wrong('{ cert_file: me.pem, key_file: me.key }', 'http://one.example/')).join('\n'),
    /does not speak TLS/,
  );
  const two = `indexes:
  a: { upstreams: ['https://one.example/a/'], client_certificate: { cert_file: me.pem, key_file: me.key } }
  b: { upstreams: ['https://one.example/b/'], client_certificate: { cert_file: other.pem, key_file: other.key } }
`;
  assert.match((await refusal(t, yaml(two))).join('\n'), /another one is configured for https:\/\/one\.example/);
});

test("pip's client-cert is obeyed where we ask pip's index", async (t) => {
  const { cert, key } = clients.issue(['me.example']);
  const folder = await temporaryFolder(t);
  const path = join(folder, 'both.pem');
  await writeFile(path, `${cert}${key}`);
  const conf = `[global]\nindex-url = https://pip.example/simple/\nclient-cert = ${path}\n`;
  const readText = async (file: string) => (file === '/etc/pip.conf' ? conf : undefined);
  const { config, warnings } = await load(t, { machine: { readText } });
  assert.deepEqual(config.indexes[0]!.upstreams[0]!.clientCertificate, { certFile: path, keyFile: path });
  assert.deepEqual(warnings, []);
});
