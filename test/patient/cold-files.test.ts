// A file that nobody holds yet, from a file host in trouble: its client hears within ten seconds of bytes or of an error
// that says when to come back, whatever stands between the head of upstream's answer and its first useful byte; and
// within fourteen when its page is cold too.

import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { fileWorld, LARGE, SMALL } from '../support/proxy/file-world.ts';
import { type ClientResponse, get } from '../support/proxy/http-client.ts';
import { getPage, until } from '../support/proxy/page-client.ts';
import { severalIndexes } from '../support/proxy/several-indexes.ts';
import { deafPort } from '../support/upstream/deaf-port.ts';
import type { Fault } from '../support/upstream/fault-plan.ts';
import * as faults from '../support/upstream/faults.ts';
import { wheel } from '../support/upstream/wheels.ts';

const FAULTS: readonly (readonly [name: string, fault: Fault, status: 502 | 503])[] = [
  ['never answers', faults.silence(), 503],
  ['falls silent after the head', faults.silenceAfter(0), 503],
  ['drips a byte a second', faults.rate(1), 503],
  ['falls silent within the first 64 KB', faults.silenceAfter(20_000), 503],
  ['answers 500', faults.status(500), 502],
  ['answers 503', faults.status(503), 503],
  ['answers 429', faults.status(429, ['retry-after', '120']), 503],
  ['answers 403', faults.status(403), 502],
  ['answers 401', faults.status(401), 502],
  ['cuts it', faults.truncated(100, 'rst'), 502],
  ['redirects in a loop', faults.redirectLoop(), 502],
  ['sends a login page', faults.loginPage(), 502],
];

describe('a cold file whose host', { concurrency: 12 }, () => {
  for (const [name, fault, status] of FAULTS) {
    for (const sizeBytes of [SMALL / 2, LARGE]) {
      // Of a large file the first bytes are sent before anybody knows how it ends.
      if (sizeBytes === LARGE && /^(?:cuts|drips|falls silent within)/.test(name)) continue;
      it(`${name}, ${sizeBytes} bytes`, async (test) => {
        const { index, proxy, file, path, url } = await fileWorld(test, { sizeBytes });
        assert.equal((await getPage(proxy, 'demo')).status, 200);
        index.fault(path, fault);
        for (const answer of await Promise.all([get(url), get(url)])) assertClear(answer, status);
        index.clearFaults();
        // A drip goes on for its half minute, and a host that wants to be left alone is.
        if (/^(?:answers 429|drips)/.test(name)) return assertClear(await get(url), 503);
        // Who joins an attempt that began in the fault may hear of its end.
        const again = await until(
          () => get(url),
          (answer) => answer.status === 200,
        );
        assert.equal(again.sha256, file.sha256);
      });
    }
  }

  it('refuses connections', async (test) => {
    const { index, proxy, file, url } = await fileWorld(test);
    assert.equal((await getPage(proxy, 'demo')).status, 200);
    await index.down();
    assertClear(await get(url), 502);
    await index.up();
    assert.equal((await get(url)).sha256, file.sha256);
  });

  it('swallows connections', async (test) => {
    const deaf = await deafPort();
    test.after(() => deaf.close());
    const elsewhere = `http://127.0.0.1:${deaf.port}`;
    const { file, proxy } = await fileWorld(test, {
      listing: { url: `${elsewhere}/demo-1.0-py3-none-any.whl` },
      config: { fileOrigins: [elsewhere] },
    });
    const answer = await get(`${proxy.url}/files/http/127.0.0.1:${deaf.port}/${file.filename}`);
    assertClear(answer, 502);
  });

  it('behind a cold page, each of which takes 5 s: both are served', async (test) => {
    const { index, file, url } = await fileWorld(test);
    index.fault(/^/, faults.delay(5_000));
    assert.equal((await get(url)).sha256, file.sha256);
  });

  it('behind a cold page, each of which takes 8 s: a clear error before pip gives up', async (test) => {
    const { index, url } = await fileWorld(test);
    index.fault(/^/, faults.delay(8_000));
    assertClear(await get(url), 503, 14_000);
  });
});

test('a project that two indexes may have, each of which takes 8 s: an error within ten seconds all the same', async (t) => {
  const { proxy, upstream } = await severalIndexes(t, { internal: {}, public: {} });
  upstream('public').add('demo', wheel({ name: 'demo', version: '1.0' }));
  for (const name of ['internal', 'public']) upstream(name).fault(/^/, faults.delay(8_000));
  assertClear(await getPage(proxy, 'demo'), 503);
});

function assertClear(answer: ClientResponse, status: number, withinMs = 10_000): void {
  assert.equal(answer.status, status, answer.text());
  assert.equal(answer.field('content-type'), 'application/problem+json');
  assert.match(answer.field('retry-after') ?? '', /^[1-9]\d?$/);
  assert.ok(answer.totalMs < withinMs, `it took ${answer.totalMs} ms`);
}
