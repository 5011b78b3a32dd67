// A transfer that is cut goes on inside, and a client that was cut off never joins a wrong head to a right tail.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fieldValue } from '../../src/core/http-message.ts';
import { until } from '../support/clock/until.ts';
import { storedBlobs } from '../support/disk/stored-files.ts';
import { fileWorld, LARGE } from '../support/proxy/file-world.ts';
import { fetchAll, get } from '../support/proxy/http-client.ts';
import * as faults from '../support/upstream/faults.ts';

for (const ending of ['fin', 'rst'] as const) {
  test(`a transfer that upstream cuts half-way (${ending}) is continued by range: the client sees one whole file`, async (t) => {
    const { index, file, path, url } = await fileWorld(t, { sizeBytes: LARGE });
    index.fault(path, faults.truncated(1_500_000, ending), { times: 1 });
    const answer = await get(url);
    assert.deepEqual([answer.status, answer.complete, answer.sha256], [200, true, file.sha256]);
    const ranges = index.log.entries
      .filter((entry) => entry.path === path)
      .map(({ fields }) => fieldValue(fields, 'range'));
    assert.equal(ranges.length, 2);
    assert.equal(ranges[0], undefined);
    if (ending === 'fin') assert.match(ranges[1]!, /^bytes=\d+-$/);
  });
}

test('a transfer that is cut again and again is continued each time, at the other address', async (t) => {
  const addresses = ['127.0.0.1', '127.0.0.2'];
  const { index, file, path, url } = await fileWorld(t, { sizeBytes: LARGE, addresses });
  index.fault(path, faults.truncated(700_000), { times: 3 });
  const answer = await get(url);
  assert.deepEqual([answer.complete, answer.sha256], [true, file.sha256]);
  assert.deepEqual(
    new Set(index.log.entries.filter((entry) => entry.path === path).map(({ address }) => address)).size,
    2,
  );
});

test('a file without a hash is continued only with If-Range, so that two versions are never joined', async (t) => {
  const { index, file, path, url } = await fileWorld(t, { sizeBytes: LARGE, listing: { hashes: {} } });
  index.fault(path, faults.truncated(1_500_000), { times: 1 });
  const answer = await get(url);
  assert.deepEqual([answer.complete, answer.sha256], [true, file.sha256]);
  const last = index.log.entries.at(-1)!;
  assert.match(fieldValue(last.fields, 'if-range')!, /^"/);
});

test('a file without a hash whose second half belongs to another version breaks the connection', async (t) => {
  const { index, path, url, proxy } = await fileWorld(t, { sizeBytes: LARGE, listing: { hashes: {} } });
  index.fault(path, faults.withAnswerField('etag', '"another"'));
  index.fault(
    path,
    async (exchange) => {
      const fields = [...exchange.answer.fields];
      fields[fields.indexOf('etag') + 1] = '"old"';
      await faults.truncated(1_500_000)({ ...exchange, answer: { ...exchange.answer, fields } });
    },
    { times: 1 },
  );
  assert.equal((await get(url)).complete, false);
  assert.deepEqual(await storedBlobs(proxy.dataDir), []);
});

test('a client that resumes with the tag of a failed flight gets the whole file, not a tail', async (t) => {
  const { index, file, path, url } = await fileWorld(t, { sizeBytes: LARGE });
  index.fault(path, faults.wrongByte(1_000), { times: 1 });
  const wrong = await get(url);
  assert.equal(wrong.complete, false);
  const again = await get(url, { range: `bytes=${wrong.sizeBytes}-`, 'if-range': wrong.field('etag')! });
  assert.deepEqual([again.status, again.sha256], [200, file.sha256]);
});

test('a client that resumes with the tag of its own flight gets the whole file while it still arrives', async (t) => {
  const { index, file, path, url } = await fileWorld(t, { sizeBytes: LARGE });
  index.fault(path, faults.rate(6_000_000));
  const first = await fetchAll(url, { abortAfterBytes: 100_000 });
  const again = await get(url, { range: 'bytes=100000-', 'if-range': first.field('etag')! });
  assert.deepEqual([again.status, again.sha256], [200, file.sha256]);
  assert.ok(again.firstByteMs < 300, `it was not made to wait: ${again.firstByteMs} ms`);
  assert.equal(index.requests(path), 1);
});

test('a client that resumes with the digest as tag gets the tail once the file is verified', async (t) => {
  const { file, url, proxy } = await fileWorld(t, { sizeBytes: LARGE });
  const first = await fetchAll(url, { abortAfterBytes: 100_000 });
  assert.equal(first.complete, false);
  await until(async () => (await storedBlobs(proxy.dataDir)).length === 1);
  const tail = await get(url, { range: 'bytes=1000000-', 'if-range': `"${file.sha256}"` });
  assert.equal(tail.status, 206);
  assert.ok(tail.body.equals(file.bytes.subarray(1_000_000)));
});

test('upstream that is cut for good breaks the connection, and the next client is served anew', async (t) => {
  const { index, file, path, url, proxy } = await fileWorld(t, { sizeBytes: LARGE });
  const lift = index.fault(path, faults.truncated(300_000));
  const cut = await get(url);
  assert.deepEqual([cut.status, cut.complete], [200, false]);
  assert.deepEqual(await storedBlobs(proxy.dataDir), []);
  lift();
  assert.equal((await get(url)).sha256, file.sha256);
});
