// Plays fuzzed requests over raw sockets against the whole app and holds it to what must be true of every one of them
//.

import assert from 'node:assert/strict';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { filesBelow } from '../support/disk/stored-files.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { get } from '../support/proxy/http-client.ts';
import { getPage, listed } from '../support/proxy/page-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { wheel } from '../support/upstream/wheels.ts';
import { Random } from './random.ts';
import { CANARY, fuzzedRequest, KNOWN, SMUGGLED, UNKNOWN } from './request-shapes.ts';

const AT_ONCE = 40;
/** A connection on which nothing more comes is over. */
const QUIET_MS = 120;
const SECRET = 'nobody may ever read this line';
/** What we send upstream, and nothing else. */
const OWN_FIELDS =
  /^(?:host|connection|user-agent|via|accept|accept-encoding|if-none-match|if-modified-since|range|if-range)$/;
/** 500 is a defect, 504 reads as "none" to pip, 508 comes only to who names us in Via. */
const STATUSES = new Set([100, 200, 206, 301, 302, 304, 400, 401, 403, 404, 405, 408, 413, 416, 417, 431, 502, 503]);

export async function fuzzRequests(t: TestContext, count: number, seed: number): Promise<void> {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const folder = await temporaryFolder(t);
  const dataDir = join(folder, 'data');
  await mkdir(dataDir);
  await writeFile(join(folder, 'secret.txt'), SECRET);
  const files = KNOWN.map((name) => wheel({ name, version: '1.0' }));
  for (const [i, name] of KNOWN.entries()) index.add(name, files[i]!);
  const proxy = await startProxy({ upstreams: [index.url], dataDir });
  t.after(() => proxy.close());
  const filePath = `/files/http/${new URL(index.url).host}${index.pathOf(files[0]!)}`;
  const page = (await getPage(proxy, 'held')).text();
  assert.equal((await get(proxy.url + filePath)).sha256, files[0]!.sha256);
  const before = await topNames(dataDir);

  const random = new Random(seed);
  let played = 0;
  const play = async () => {
    while (played < count) {
      played += 1;
      const request = fuzzedRequest(random, filePath);
      const answer = await exchange(proxy.port, request);
      const told = () => `seed ${seed}, request ${JSON.stringify(request.slice(0, 400))}\n-> ${answer.slice(0, 300)}`;
      assert.ok(answer === '' || /^HTTP\/1\.1 \d{3} /.test(answer), told());
      for (const [, status] of answer.matchAll(/^HTTP\/1\.1 (\d{3}) /gm))
        assert.ok(STATUSES.has(Number(status)), told());
      assert.ok(!answer.includes(SECRET) && !answer.includes('root:x:0:0'), told());
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, play));

  const names = new Set([...KNOWN, ...UNKNOWN]);
  for (const { method, path, fields } of index.log.entries) {
    const about = `seed ${seed}: ${method} ${path} went upstream`;
    assert.match(method, /^(?:GET|HEAD)$/, about);
    const [, name] = /^\/(?:simple|pypi|integrity)\/([^/]+)\//.exec(path) ?? [];
    assert.ok(name === undefined ? path === '/simple/' || path.startsWith('/packages/') : isAsked(name, names), about);
    assert.ok(!path.includes(SMUGGLED) && !path.includes('?'), about);
    assert.ok(!JSON.stringify(fields).includes(CANARY), about);
    for (let i = 0; i < fields.length; i += 2) assert.match(fields[i]!, OWN_FIELDS, about);
  }
  const metrics = await proxy.metrics();
  assert.equal(metrics.wheelkeep_unhandled_errors_total ?? 0, 0);
  assert.deepEqual(await topNames(dataDir), before);
  assert.deepEqual((await readdir(folder)).sort(), ['data', 'secret.txt']);
  for (const file of await filesBelow(dataDir)) assert.doesNotMatch(file, /smuggled|passwd|secret/);

  // And everybody else is served as if nothing had been.
  assert.equal((await getPage(proxy, 'held')).text(), page);
  assert.deepEqual(listed(await getPage(proxy, 'cold')), [files[1]!.filename]);
  assert.equal((await get(proxy.url + filePath)).sha256, files[0]!.sha256);
  assert.equal((await get(`${proxy.url}/-/live`)).status, 200);
}

/** A name that a request asked for, as it was or with a fuzzed piece that made another valid name of it. */
function isAsked(name: string, names: ReadonlySet<string>): boolean {
  return names.has(name) || (/^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(name) && name.length <= 200);
}

async function topNames(folder: string): Promise<string[]> {
  // A database that is in use has companions that come and go.
  return (await readdir(folder)).filter((name) => !/-(?:wal|shm)$/.test(name)).sort();
}

/** Everything that comes back until the server closes or falls silent; the client then leaves without a word. */
function exchange(port: number, request: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const chunks: Buffer[] = [];
    socket.setTimeout(QUIET_MS, () => socket.destroy());
    socket.on('data', (chunk) => chunks.push(chunk));
    // A server that refuses the head closes while the client is still sending.
    socket.on('error', () => {});
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')));
    socket.write(request, 'latin1');
  });
}
