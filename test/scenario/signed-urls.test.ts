// Pages whose file URLs carry signatures that run out: the page is read again, once, and the file comes by its new URL,
// whatever the page's validators say and however young the page is.

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { fieldValue, withoutFields } from '../../src/core/http-message.ts';
import { FakeClock } from '../support/clock/clock.ts';
import { fileWorld, LARGE, SMALL } from '../support/proxy/file-world.ts';
import { fetchAll, get } from '../support/proxy/http-client.ts';
import { getPage } from '../support/proxy/page-client.ts';
import { alter, status } from '../support/upstream/faults.ts';

interface Signing {
  /** Whether a page with a new signature has another validator. */
  readonly validators: 'new' | 'same' | 'none';
  readonly refusal: number;
  readonly sizeBytes?: number;
  /** The page is that old when its signatures run out. */
  readonly pageAgeMs?: number;
}

/** An index that signs every answer anew; only the newest signature is taken. */
async function signingWorld(test: TestContext, { validators, refusal, sizeBytes, pageAgeMs = 0 }: Signing) {
  const clock = new FakeClock(Date.now());
  const world = await fileWorld(test, { now: clock.now, ...(sizeBytes !== undefined && { sizeBytes }) });
  const { index, path } = world;
  let signature = 1;
  index.fault('/simple/demo/', async (exchange) => {
    const conditional = fieldValue(exchange.request.fields, 'if-none-match') !== undefined;
    if (conditional && validators === 'same') return alter(() => ({ status: 304, body: Buffer.alloc(0) }))(exchange);
    const body = JSON.stringify({
      meta: { 'api-version': '1.1' },
      name: 'demo',
      files: [
        {
          filename: world.file.filename,
          url: `${path}?sig=${signature}`,
          hashes: { sha256: world.file.sha256 },
          ...(sizeBytes === undefined ? {} : { size: world.file.bytes.length }),
        },
      ],
    });
    const plain = withoutFields(
      exchange.answer.fields,
      new Set(['content-encoding', 'etag', 'last-modified', 'content-type', 'x-pypi-last-serial']),
    );
    const tag = validators === 'none' ? [] : ['etag', validators === 'same' ? '"page"' : `"page-${signature}"`];
    const fields = [...plain, 'content-type', 'application/vnd.pypi.simple.v1+json', ...tag];
    return exchange.send({ status: 200, fields, body: Buffer.from(body) });
  });
  const expire = () => {
    index.fault(new RegExp(`^${path}\\?sig=${signature}$`), status(refusal));
    signature += 1;
    clock.advance(pageAgeMs);
  };
  return { ...world, url: world.url, expire };
}

describe('a file whose signed URL has run out', { concurrency: true }, () => {
  for (const validators of ['new', 'same', 'none'] as const) {
    for (const pageAgeMs of [0, 30_000, 90_000]) {
      for (const refusal of [403, 401, 400]) {
        it(`is fetched by its new one: ${refusal}, validators ${validators}, a page ${pageAgeMs} ms old`, async (test) => {
          const sizeBytes = refusal === 403 ? LARGE : SMALL;
          const { index, proxy, file, path, url, expire } = await signingWorld(test, {
            validators,
            refusal,
            sizeBytes,
            pageAgeMs,
          });
          assert.equal((await getPage(proxy, 'demo')).status, 200);
          expire();
          const answers = await Promise.all([get(url), get(url)]);
          for (const answer of answers) assert.equal(answer.sha256, file.sha256, answer.text().slice(0, 300));
          const urls = index.log.entries.flatMap(({ path: asked }) => (asked.startsWith(path) ? [asked] : []));
          assert.deepEqual(urls, [`${path}?sig=1`, `${path}?sig=2`]);
        });
      }
    }
  }

  it('has its HEAD answered by the new one as well', async (test) => {
    const { proxy, file, url, expire } = await signingWorld(test, { validators: 'same', refusal: 403 });
    assert.equal((await getPage(proxy, 'demo')).status, 200);
    expire();
    const head = await fetchAll(url, { method: 'HEAD' });
    assert.equal(head.status, 200);
    assert.equal(head.field('content-length'), String(file.bytes.length));
  });

  it('is refused, and asked for once, when the page knows no other', async (test) => {
    const { index, proxy, path, url } = await signingWorld(test, { validators: 'same', refusal: 403 });
    assert.equal((await getPage(proxy, 'demo')).status, 200);
    index.fault(new RegExp(`^${path}`), status(403));
    const pages = index.requests('/simple/demo/');
    assert.equal((await get(url)).status, 502);
    assert.equal(index.requests(new RegExp(`^${path}`)), 1);
    assert.equal((await get(url)).status, 502);
    assert.ok(
      index.requests('/simple/demo/') <= pages + 2,
      'a refused file must not make us ask for its page for ever',
    );
  });
});
