// What is remembered with a page may be much: it gives way when it is written down, and never the page.

import assert from 'node:assert/strict';
import { readFile, rm } from 'node:fs/promises';
import { test } from 'node:test';
import { until } from '../support/clock/until.ts';
import { filesBelow } from '../support/disk/stored-files.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { type ClientResponse, get } from '../support/proxy/http-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { wheel } from '../support/upstream/wheels.ts';

const JSON_PAGE = { accept: 'application/vnd.pypi.simple.v1+json' };
const MANY = 90;
const FILES = Array.from({ length: 2 * MANY + 1 }, (_, i) => wheel({ name: 'demo', version: `${i + 1}.0` }));

interface Listed {
  readonly filename: string;
  readonly hashes: { readonly sha256: string };
  readonly yanked: boolean | string;
}

function filesOf(answer: ClientResponse): readonly Listed[] {
  assert.equal(answer.status, 200, answer.text().slice(0, 300));
  return (answer.json() as { readonly files: readonly Listed[] }).files;
}

for (const [what, reason] of [
  ['short', 'broken'],
  ['long', 'x'.repeat(2_500)],
  ['long, escaped', '"\\'.repeat(600)],
  ['long, of three bytes a character', '„'.repeat(2_500)],
] as const) {
  test(`${MANY} changed and ${MANY} departed files with yank reasons (${what}): the page is had in an outage without its database`, async (t) => {
    const index = await FakeIndex.start();
    t.after(() => index.close());
    const dataDir = await temporaryFolder(t);
    const clock = { ms: Date.now() };
    const start = () => startProxy({ upstreams: [index.url], dataDir, now: () => clock.ms });
    let proxy = await start();
    t.after(() => proxy.close());
    const page = async () => filesOf(await get(`${proxy.url}/simple/demo/`, JSON_PAGE));

    for (const file of FILES) index.addListed('demo', file, { yanked: reason });
    const before = new Map((await page()).map(({ filename, hashes }) => [filename, hashes.sha256]));
    index.remove('demo');
    for (const file of FILES.slice(MANY)) {
      const hashes = file === FILES.at(-1) ? {} : { hashes: { sha256: 'e'.repeat(64) } };
      index.addListed('demo', file, { yanked: reason, ...hashes });
    }
    clock.ms += 61_000;
    const shown = await page();
    assert.equal(shown.length, MANY + 1);
    for (const { filename, hashes, yanked } of shown) {
      assert.equal(hashes.sha256, before.get(filename));
      assert.ok(yanked !== false);
    }
    await until(async () => (await filesBelow(`${dataDir}/bodies`)).length === 1);
    await proxy.close();
    const [body] = await filesBelow(`${dataDir}/bodies`);
    const bytes = await readFile(body!);
    assert.ok(bytes.readUInt32BE(bytes.length - 12) <= 1024 * 1024, 'its description can be read back');

    await index.down();
    for (const lost of [false, true]) {
      if (lost) await rm(`${dataDir}/entries`, { recursive: true });
      proxy = await start();
      const served = await page();
      assert.deepEqual(
        served.map(({ filename, hashes }) => [filename, hashes.sha256]),
        shown.map(({ filename, hashes }) => [filename, hashes.sha256]),
      );
      assert.equal((await proxy.metrics())['wheelkeep_integrity_failures_total{kind="damaged-blob"}'] ?? 0, 0);
      assert.equal((await proxy.metrics())['wheelkeep_entry_store_faults_total{fault="record-too-large"}'] ?? 0, 0);
      await proxy.close();
    }
  });
}
