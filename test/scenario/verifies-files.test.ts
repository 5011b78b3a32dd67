// Never a complete wrong file: whatever upstream sends in the place of a cold file, a client gets the right bytes or an
// error, nothing wrong is stored, and the next try is right.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../support/clock/until.ts';
import { storedBlobs, temporaryFiles } from '../support/disk/stored-files.ts';
import { fileWorld, LARGE, SMALL } from '../support/proxy/file-world.ts';
import { get } from '../support/proxy/http-client.ts';
import type { Fault } from '../support/upstream/fault-plan.ts';
import * as faults from '../support/upstream/faults.ts';

const WRONG: Readonly<Record<string, Fault>> = {
  'one wrong byte': faults.wrongByte(70_000),
  'a wrong byte at the very end': faults.wrongByte(-1),
  'a body cut short (FIN)': faults.truncated(50_000),
  'a body cut short (RST)': faults.truncated(50_000, 'rst'),
  'a body cut short that announces its length': faults.cutBody(50_000),
  'chunks without an end': faults.unfinishedChunks(50_000),
  'a body delimited by a close that comes too early': faults.closeDelimited(50_000),
  'the page of a portal': faults.loginPage(),
  'an empty body': faults.emptyBody(),
  'a part that nobody asked for': faults.unaskedPartial(),
  'an error with status 500': faults.status(500),
  'an error with status 502': faults.status(502),
};

for (const [what, fault] of Object.entries(WRONG)) {
  for (const sizeBytes of [SMALL, LARGE]) {
    test(`${what} in the place of a ${sizeBytes} byte file is neither served whole nor stored, and heals`, async (t) => {
      const { index, proxy, file, path, url } = await fileWorld(t, { sizeBytes });
      index.fault(path, fault);
      const wrong = await get(url);
      const served = wrong.status === 200 && wrong.complete;
      assert.equal(served, false, `status ${wrong.status}, ${wrong.sizeBytes} bytes`);
      if (sizeBytes === SMALL) assert.equal(wrong.status, 502);
      assert.deepEqual(await storedBlobs(proxy.dataDir), []);
      await until(async () => (await temporaryFiles(proxy.dataDir)).length === 0);
      index.clearFaults();
      const right = await get(url);
      assert.deepEqual([right.status, right.complete, right.sha256], [200, true, file.sha256]);
      await until(async () => (await storedBlobs(proxy.dataDir)).length === 1);
    });

    test(`${what} once, in the place of a ${sizeBytes} byte file, is mended inside where nothing was sent yet`, async (t) => {
      const { index, file, path, url } = await fileWorld(t, { sizeBytes });
      index.fault(path, fault, { times: 1 });
      const first = await get(url);
      // A byte that is wrong in the middle of what has been sent cannot be taken back: the connection breaks.
      const sent = sizeBytes === LARGE && what.includes('wrong byte');
      assert.deepEqual([first.status, first.complete], [200, !sent]);
      const again = sent ? await get(url) : first;
      assert.equal(again.sha256, file.sha256);
    });
  }
}

test('a body that is longer than announced gives exactly the bytes that the page promises', async (t) => {
  const { index, proxy, file, path, url } = await fileWorld(t);
  index.fault(path, faults.tooLong(5_000));
  const answer = await get(url);
  assert.deepEqual([answer.status, answer.complete, answer.sha256], [200, true, file.sha256]);
  assert.equal((await storedBlobs(proxy.dataDir)).length, 1);
});

test('a wheel that comes with an unasked gzip coding is stored and served as the page promises it', async (t) => {
  const { index, proxy, file, path, url } = await fileWorld(t);
  index.fault(path, faults.gzipped());
  const answer = await get(url);
  assert.deepEqual([answer.status, answer.sha256, answer.field('content-encoding')], [200, file.sha256, undefined]);
  assert.equal((await storedBlobs(proxy.dataDir)).length, 1);
});

for (const sizeBytes of [SMALL, LARGE]) {
  test(`a ${sizeBytes} byte file that is labelled gzip and is not is served as it is`, async (t) => {
    const { index, file, path, url } = await fileWorld(t, { sizeBytes });
    index.fault(path, faults.mislabelledGzip());
    const answer = await get(url);
    assert.deepEqual([answer.status, answer.sha256, answer.field('content-encoding')], [200, file.sha256, undefined]);
  });
}

test('a large file that comes with an unasked gzip coding is served as the page promises it', async (t) => {
  const { index, file, path, url } = await fileWorld(t, { sizeBytes: LARGE });
  index.fault(path, faults.gzipped());
  const answer = await get(url);
  assert.deepEqual([answer.status, answer.sha256], [200, file.sha256]);
});

for (const [what, fault] of Object.entries(WRONG)) {
  test(`${what} from one address of two: the client simply gets the file from the other`, async (t) => {
    const addresses = ['127.0.0.1', '127.0.0.2'];
    const { index, proxy, file, path, url } = await fileWorld(t, { addresses });
    index.fault(path, fault, { address: '127.0.0.1' });
    const answer = await get(url);
    assert.deepEqual([answer.status, answer.complete, answer.sha256], [200, true, file.sha256]);
    assert.equal((await storedBlobs(proxy.dataDir)).length, 1);
  });
}

test('an address that sent wrong bytes is set aside: the next file is asked of the other at once', async (t) => {
  const { index, path, url } = await fileWorld(t, { sizeBytes: LARGE, addresses: ['127.0.0.1', '127.0.0.2'] });
  index.fault(path, faults.wrongByte(-1), { address: '127.0.0.1' });
  assert.equal((await get(url)).complete, false);
  assert.equal((await get(url)).complete, true);
  const asked = index.log.entries.filter((entry) => entry.path === path).map(({ address }) => address);
  assert.deepEqual(asked, ['127.0.0.1', '127.0.0.2']);
});

test('a size that the page gives wrongly does not keep a file with the right hash from being served', async (t) => {
  const { file, url } = await fileWorld(t, { listing: { size: 17 } });
  const answer = await get(url);
  assert.deepEqual([answer.status, answer.sha256], [200, file.sha256]);
});

test('what is wrong is counted by its kind', async (t) => {
  const { index, proxy, path, url } = await fileWorld(t);
  index.fault(path, faults.wrongByte(5));
  assert.equal((await get(url)).status, 502);
  const metrics = await proxy.metrics();
  assert.equal(metrics['wheelkeep_integrity_failures_total{kind="wrong-digest"}'], 3);
});
