// The files of deploy/ for front servers, in real ones: TLS and a path prefix in front, and nothing of it told to
// Wheelkeep.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { until } from '../support/clock/until.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { freePort } from '../support/proxy/free-port.ts';
import { type ClientResponse, fetchAll } from '../support/proxy/http-client.ts';
import { smallWorld } from '../support/proxy/small-world.ts';
import { certificateAuthority } from '../support/upstream/certificates.ts';
import { wheel } from '../support/upstream/wheels.ts';

interface Place {
  /** Holds cert.pem and key.pem. */
  readonly folder: string;
  readonly port: number;
  /** Host and port of Wheelkeep. */
  readonly upstream: string;
}

/** Writes the configuration; its command line. Of the file of deploy/ only places, ports and certificates are replaced. */
type FrontServer = (site: string, place: Place) => Promise<readonly string[]>;

const nginx: FrontServer = async (site, { folder, port, upstream }) => {
  const here = site
    .replace(/\/etc\/ssl\/\S+\.pem/, `${folder}/cert.pem`)
    .replace(/\/etc\/ssl\/\S+\.key/, `${folder}/key.pem`)
    .replace('127.0.0.1:5030', upstream)
    .replace('listen 443 ssl', `listen 127.0.0.1:${port} ssl`);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (what) => `${what}_temp_path ${folder}/tmp;`,
  );
  await mkdir(join(folder, 'tmp'));
  await writeFile(join(folder, 'site.conf'), here);
  await writeFile(
    join(folder, 'nginx.conf'),
    `daemon off; pid ${folder}/pid; error_log stderr; events {}
http { access_log off; ${temporary.join(' ')} include ${folder}/site.conf; }`,
  );
  return ['-c', join(folder, 'nginx.conf'), '-p', folder];
};

const caddy: FrontServer = async (site, { folder, port, upstream }) => {
  const here = site.replace('127.0.0.1:5030', upstream).replace(
    'wheels.example {',
    // Without its own administration, and without the port for plain http, which only root may open.
    `{\n admin off\n auto_https disable_redirects\n}\nhttps://127.0.0.1:${port} {\n bind 127.0.0.1\n tls ${folder}/cert.pem ${folder}/key.pem`,
  );
  await writeFile(join(folder, 'Caddyfile'), here);
  return ['run', '--config', join(folder, 'Caddyfile'), '--adapter', 'caddyfile'];
};

for (const { program, site, configure } of [
  { program: 'nginx', site: 'nginx.conf', configure: nginx },
  { program: 'caddy', site: 'Caddyfile', configure: caddy },
]) {
  const isHere = spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
  test(`behind ${program}, with TLS and a prefix: pages, redirects and files, and no metrics`, {
    skip: isHere ? false : `there is no ${program} on this machine`,
  }, async (t) => {
    const { proxy, index } = await smallWorld(t);
    const file = wheel({ name: 'demo-app', version: '1.0', sizeBytes: 3_000_000 });
    index.add('demo-app', file);
    const { url, get } = await start(t, program, site, configure, new URL(proxy.url).host);

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

    for (const own of ['metrics', '-/ready', '-/api/status'])
      assert.equal((await get(`${url}${own}`)).status, 403, own);
    for (const asset of ['-/status.css', '-/status.js']) assert.equal((await get(`${url}${asset}`)).status, 200, asset);
  });
}

/** Resolves when it answers; `url` is our address behind it, with the prefix and its slash. */
async function start(t: TestContext, program: string, site: string, configure: FrontServer, upstream: string) {
  const folder = await temporaryFolder(t);
  const port = await freePort();
  const authority = certificateAuthority();
  const { cert, key } = authority.issue(['127.0.0.1']);
  await writeFile(join(folder, 'cert.pem'), cert);
  await writeFile(join(folder, 'key.pem'), key);
  const text = readFileSync(new URL(`../../deploy/${site}`, import.meta.url), 'utf8');
  const args = await configure(text, { folder, port, upstream });
  const env = { PATH: process.env.PATH, HOME: folder };
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'], env });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (words: string) => {
    said += words;
  });
  t.after(async () => {
    if (child.exitCode !== null) return;
    child.kill('SIGTERM');
    await once(child, 'exit');
  });
  const url = `https://127.0.0.1:${port}/python/`;
  const get = (target: string): Promise<ClientResponse> => fetchAll(target, { ca: authority.cert });
  await until(async () => {
    if (child.exitCode !== null) throw new Error(said);
    return get(url).then(
      () => true,
      () => false,
    );
  });
  return { url, get };
}
