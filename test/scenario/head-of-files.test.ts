// HEAD of a file whose page does not tell its size, at storage that has its own ideas of HEAD: refused, never answered,
// without a length. What a GET can tell is told.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { withoutFields } from '../../src/core/http-message.ts';
import { fileWorld, LARGE, SMALL } from '../support/proxy/file-world.ts';
import { fetchAll, get } from '../support/proxy/http-client.ts';
import { getPage } from '../support/proxy/page-client.ts';
import type { Fault } from '../support/upstream/fault-plan.ts';
import * as faults from '../support/upstream/faults.ts';

const withoutLength: Fault = async ({ answer, socket }) => {
  socket.end(`HTTP/1.1 ${answer.status} OK\r\nconnection: close\r\n\r\n`);
};

const HEADS: readonly (readonly [name: string, fault: Fault])[] = [
  ...[400, 403, 404, 405, 500, 501].map((code) => [`is answered ${code}`, faults.status(code)] as const),
  ['is never answered', faults.silence()],
  ['is cut', faults.hangUp('rst')],
  ['tells no length', withoutLength],
];

const ranges = faults.alter(({ fields }) => ({ fields: withoutFields(fields, new Set(['accept-ranges'])) }));
const whole: Fault = (exchange) =>
  exchange.send({ ...exchange.answer, status: 200, fields: [], body: Buffer.alloc(SMALL, 'w') });

describe('HEAD of a file without a size on its page', { concurrency: true }, () => {
  for (const sizeBytes of [SMALL, LARGE]) {
    for (const [name, fault] of HEADS) {
      it(`that ${name} upstream tells the length of ${sizeBytes} bytes, and fetches nothing`, async (test) => {
        const { index, proxy, file, path, url } = await fileWorld(test, {
          sizeBytes,
          index: { formats: 'html-only' },
        });
        assert.equal((await getPage(proxy, 'demo')).status, 200);
        index.fault(path, fault, { method: 'HEAD' });
        index.fault(path, ranges, { method: 'GET' });
        const head = await fetchAll(url, { method: 'HEAD' });
        assert.equal(head.status, 200, head.text());
        assert.equal(head.field('content-length'), String(file.bytes.length));
        assert.ok(head.totalMs < 9_000);
        index.clearFaults();
        assert.equal((await get(url)).sha256, file.sha256);
      });
    }
  }

  it('tells it too where storage gives no parts', async (test) => {
    const { index, proxy, path, url } = await fileWorld(test, { index: { formats: 'html-only' } });
    assert.equal((await getPage(proxy, 'demo')).status, 200);
    index.fault(path, faults.status(403), { method: 'HEAD' });
    index.fault(path, whole, { method: 'GET' });
    const head = await fetchAll(url, { method: 'HEAD' });
    assert.deepEqual([head.status, head.field('content-length')], [200, String(SMALL)]);
  });

  it('is an error where GET is one too, and asks no host that wants to be left alone', async (test) => {
    const { index, proxy, path, url } = await fileWorld(test, { index: { formats: 'html-only' } });
    assert.equal((await getPage(proxy, 'demo')).status, 200);
    index.fault(path, faults.status(500));
    assert.equal((await fetchAll(url, { method: 'HEAD' })).status, 502);
    index.clearFaults();
    index.fault(path, faults.status(429, ['retry-after', '60']));
    assert.equal((await fetchAll(url, { method: 'HEAD' })).status, 503);
    const before = index.requests(path);
    assert.equal((await fetchAll(url, { method: 'HEAD' })).status, 503);
    assert.equal(index.requests(path), before);
  });
});
