// The file of deploy/ for Caddy, in a real Caddy: TLS and a path prefix in front, and nothing of it told to Wheelkeep.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { certificateAuthority } from '../support/certificates.ts';
import { FakeIndex } from '../support/fake-index.ts';
import { type ClientResponse, fetchAll } from '../support/http-client.ts';
import { startProxy } from '../support/proxy.ts';
import { freePort } from '../support/spawned-proxy.ts';
import { eventually } from '../support/stored-files.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { wheel } from '../support/wheels.ts';

const SITE = readFileSync(new URL('../../deploy/Caddyfile', import.meta.url), 'utf8');

function withoutCaddy(): string | false {
  try {
    execFileSync('sh', ['-c', 'command -v caddy'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'there is no caddy on this machine';
  }
}

/** Caddy with the file of deploy/, in front of `upstreamPort`; only places, ports and the certificate are replaced. */
async function startCaddy(t: TestContext, upstreamPort: string) {
  const folder = await temporaryFolder(t);
  const authority = certificateAuthority();
  const { cert, key } = authority.issue(['127.0.0.1']);
  const port = await freePort();
  await writeFile(join(folder, 'cert.pem'), cert);
  await writeFile(join(folder, 'key.pem'), key);
  const site = SITE.replace('127.0.0.1:5030', `127.0.0.1:${upstreamPort}`).replace(
    'wheels.example {',
    // Without its own administration, and without the port for plain http, which only root may open.
    `{\n admin off\n auto_https disable_redirects\n}\nhttps://127.0.0.1:${port} {\n bind 127.0.0.1\n tls ${folder}/cert.pem ${folder}/key.pem`,
  );
  await writeFile(join(folder, 'Caddyfile'), site);
  const caddy = spawn('caddy', ['run', '--config', join(folder, 'Caddyfile'), '--adapter', 'caddyfile'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: process.env.PATH, HOME: folder },
  });
  let said = '';
  caddy.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  t.after(async () => {
    if (caddy.exitCode !== null) return;
    caddy.kill('SIGKILL');
    await once(caddy, 'exit');
  });
  const url = `https://127.0.0.1:${port}/python/`;
  const get = (target: string): Promise<ClientResponse> => fetchAll(target, { ca: authority.cert });
  const answers = () =>
    get(url).then(
      () => true,
      () => false,
    );
  await eventually(async () => {
    if (caddy.exitCode !== null) throw new Error(said);
    return answers();
  });
  return { url, get };
}

test('behind Caddy, with TLS and a prefix: pages, redirects and files, and no metrics', {
  skip: withoutCaddy(),
}, async (t) => {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const file = wheel({ name: 'demo-app', version: '1.0', sizeBytes: 3_000_000 });
  index.add('demo-app', file);
  const proxy = await startProxy({ upstreams: [index.url], dataDir: await temporaryFolder(t) });
  t.after(() => proxy.close());
  const { url, get } = await startCaddy(t, new URL(proxy.url).port);

  const typed = `${url}simple/Demo_App`;
  const redirect = await get(typed);
  assert.equal(redirect.status, 301);
  const address = new URL(redirect.field('location')!, typed).href;
  assert.equal(address, `${url}simple/demo-app/`);

  const page = await get(address);
  const [, link = ''] = /href="([^"]+)"/.exec(page.text()) ?? [];
  const place = new URL(link, address).href;
  assert.ok(place.startsWith(`${url}files/http/`), place);
  assert.equal((await get(place)).sha256, file.sha256);
  assert.equal((await get(`${place.split('#')[0]}.metadata`)).sha256, file.metadataSha256);

  for (const own of ['metrics', '-/ready', '-/api/status']) assert.equal((await get(`${url}${own}`)).status, 403, own);
  for (const asset of ['-/status.css', '-/status.js']) assert.equal((await get(`${url}${asset}`)).status, 200, asset);
});
