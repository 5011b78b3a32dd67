import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { parseMetrics } from '../support/assert/prometheus-text.ts';
import { fetchAll, sendRaw } from '../support/proxy/http-client.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { wheel } from '../support/upstream/wheels.ts';

const large = wheel({ name: 'large', version: '1', sizeBytes: 8_000_000 });

async function served(test: TestContext): Promise<{ readonly index: FakeIndex; readonly url: string }> {
  const index = await FakeIndex.start();
  test.after(() => index.close());
  index.add('large', large);
  return { index, url: index.files.origin + index.pathOf(large) };
}

describe('the test client', () => {
  it('hashes and counts a body without keeping it', async (test) => {
    const { url } = await served(test);
    const answer = await fetchAll(url, { keepBody: false });
    assert.deepEqual([answer.body.length, answer.sizeBytes, answer.sha256], [0, large.bytes.length, large.sha256]);
  });

  it('leaves in the middle, and the server sees it go', async (test) => {
    const { index, url } = await served(test);
    const answer = await fetchAll(url, { abortAfterBytes: 100_000 });
    assert.equal(answer.complete, false);
    assert.ok(answer.sizeBytes >= 100_000 && answer.sizeBytes < large.bytes.length);
    await index.waitFor(({ openConnections }) => openConnections === 0);
  });

  it('reads slowly', async (test) => {
    const { url } = await served(test);
    const answer = await fetchAll(url, { bytesPerSecond: 20_000_000 });
    assert.equal(answer.sha256, large.sha256);
    // What the sockets' buffers hold came at full speed.
    assert.ok(answer.totalMs >= 250, `8 MB at 20 MB/s took ${answer.totalMs} ms`);
  });

  it('sends bytes that are no request and shows what comes back', async (test) => {
    const { url } = await served(test);
    assert.match(await sendRaw(url, 'GARBAGE\r\n\r\n'), /^HTTP\/1\.1 400 /);
  });
});

describe('the reader of metrics', () => {
  it('keeps names with their labels and skips comments', () => {
    const text = '# HELP a b\n# TYPE a counter\na 1\na_total{kind="x y",le="+Inf"} 2.5e3\nb +Inf\n';
    assert.deepEqual(parseMetrics(text), { a: 1, 'a_total{kind="x y",le="+Inf"}': 2500, b: Infinity });
  });
});
