// The file of deploy/ for nginx, in a real nginx: TLS and a path prefix in front, and nothing of it told to Wheelkeep.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
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

const SITE = readFileSync(new URL('../../deploy/nginx.conf', import.meta.url), 'utf8');

function withoutNginx(): string | false {
  try {
    execFileSync('sh', ['-c', 'command -v nginx'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'there is no nginx on this machine';
  }
}

interface Front {
  /** With the prefix and its slash. */
  readonly url: string;
  get(url: string): Promise<ClientResponse>;
}

/** nginx with the file of deploy/, in front of `upstreamPort`; only places and ports are replaced. */
async function startNginx(t: TestContext, upstreamPort: string): Promise<Front> {
  const folder = await temporaryFolder(t);
  const authority = certificateAuthority();
  const { cert, key } = authority.issue(['127.0.0.1']);
  const port = await freePort();
  const site = SITE.replaceAll('/etc/ssl/', `${folder}/`)
    .replace('127.0.0.1:5030', `127.0.0.1:${upstreamPort}`)
    .replace('listen 443 ssl', `listen 127.0.0.1:${port} ssl`);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (what) => `${what}_temp_path ${folder}/tmp;`,
  );
  await mkdir(join(folder, 'tmp'));
  await writeFile(join(folder, 'wheels.example.pem'), cert);
  await writeFile(join(folder, 'wheels.example.key'), key);
  await writeFile(join(folder, 'site.conf'), site);
  await writeFile(
    join(folder, 'nginx.conf'),
    `daemon off; pid ${folder}/pid; error_log ${folder}/error.log; events {}
http { access_log off; ${temporary.join(' ')} include ${folder}/site.conf; }`,
  );
  const nginx = spawn('nginx', ['-c', join(folder, 'nginx.conf'), '-p', folder], { stdio: 'ignore' });
  t.after(async () => {
    if (nginx.exitCode !== null) return;
    nginx.kill('SIGTERM');
    await once(nginx, 'exit');
  });
  const url = `https://127.0.0.1:${port}/python/`;
  const get = (target: string) => fetchAll(target, { ca: authority.cert });
  const answers = () =>
    get(url).then(
      () => true,
      () => false,
    );
  await eventually(async () => {
    if (nginx.exitCode !== null) throw new Error(readFileSync(join(folder, 'error.log'), 'utf8'));
    return answers();
  });
  return { url, get };
}

test('behind nginx, with TLS and a prefix: pages, redirects and files, and no metrics', {
  skip: withoutNginx(),
}, async (t) => {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const file = wheel({ name: 'demo-app', version: '1.0', sizeBytes: 3_000_000 });
  index.add('demo-app', file);
  const proxy = await startProxy({ upstreams: [index.url], dataDir: await temporaryFolder(t) });
  t.after(() => proxy.close());
  const { url, get } = await startNginx(t, new URL(proxy.url).port);

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
