// What is kept ready is given again as long as it is what the ordinary way would give, and costs what it says it costs.

import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Exchange } from '../../src/http/exchange.ts';
import { PageHandler } from '../../src/http/page-handler.ts';
import { ReadyAnswers } from '../../src/http/ready-answers.ts';
import type { IndexService } from '../../src/index/index-service.ts';
import type { ProjectName } from '../../src/pages/project-name.ts';

const PAGE = {
  answer: { entry: {}, outcome: 'hit', ageSeconds: 1, remainingSeconds: 59 },
  page: { etag: '"a"', bytes: Buffer.alloc(100), fields: [], notModifiedFields: [], packed: false },
};

/** An exchange of which nothing is sent. */
function exchange(headers: Readonly<Record<string, string>> = {}, url = '/simple/a/'): Exchange {
  const response = { shouldKeepAlive: true, writeHead: () => {}, end: () => {} };
  const request = { method: 'GET', url, headers };
  return new Exchange(request as unknown as IncomingMessage, response as unknown as ServerResponse);
}

/** Whatever `found` gives is the page; `store.changes` is the count of changes of the entry store. */
function world(found: () => unknown = () => PAGE) {
  const store = { changes: 0 };
  const ready = new ReadyAnswers({ changes: () => store.changes, now: () => 1_000, maxBytes: 1_000_000 });
  const handler = new PageHandler({
    service: { peekDetail: found } as unknown as IndexService,
    defaultIndexes: ['only'],
    linkRoot: undefined,
    strict: false,
    ready,
    now: () => 1_000,
    onStale: () => {},
  });
  const answer = (to: Exchange) => handler.detail(to, undefined, 'a' as ProjectName, undefined);
  return { store, ready, answer };
}

test('a change in the store ends what is kept ready only where it is another entry or page by now', async () => {
  const { answer, page } = PAGE;
  const others = [{ answer: { ...answer, entry: {} }, page }, { answer, page: { ...page } }, undefined];
  for (const other of others) {
    let found: unknown = PAGE;
    const { store, ready, answer: answerOne } = world(() => found);
    await answerOne(exchange());
    store.changes++;
    assert.equal(ready.repeat(exchange()), true);
    found = other;
    // Nothing has changed as far as anybody knows.
    assert.equal(ready.repeat(exchange()), true);
    store.changes++;
    assert.equal(ready.repeat(exchange()), false);
  }
});

test('what takes the place of an answer takes its place in the budget too', async () => {
  const { store, ready, answer } = world();
  await answer(exchange());
  const { bytes } = ready;
  assert.ok(bytes > PAGE.page.bytes.length);
  for (; store.changes < 3; store.changes++) await answer(exchange());
  assert.equal(ready.bytes, bytes);
});

test('an answer that is kept ready does not keep the request that it was made for', async () => {
  const { ready, answer } = world();
  const answerOne = async () => {
    const first = exchange();
    await answer(first);
    return new WeakRef(first.response);
  };
  const response = await answerOne();
  assert.equal(ready.repeat(exchange()), true);
  setFlagsFromString('--expose-gc');
  await setImmediate();
  (runInNewContext('gc') as () => void)();
  assert.equal(response.deref(), undefined);
});

test('the texts by which an answer was negotiated count in the budget, and long ones are not kept', async () => {
  const { ready, answer } = world();
  await answer(exchange());
  const { bytes } = ready;
  const accept = `text/html, text/x-${'a'.repeat(500)}`;
  await answer(exchange({ accept, 'accept-encoding': 'gzip' }));
  assert.equal(ready.bytes, 2 * bytes + accept.length + 'gzip'.length);
  const target = `/simple/a/?${'a'.repeat(10_000)}`;
  await answer(exchange({}, target));
  assert.equal(ready.bytes, 3 * bytes + accept.length + 'gzip'.length + target.length - '/simple/a/'.length);
  const before = ready.bytes;
  for (const name of ['accept', 'accept-encoding']) {
    const asked = exchange({ [name]: 'a'.repeat(20_000) });
    await answer(asked);
    assert.equal(ready.repeat(asked), false);
  }
  assert.equal(ready.bytes, before);
});

test('long texts by which clients negotiate leave nothing behind', async () => {
  const { answer } = world();
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const used = () => {
    collect();
    return process.memoryUsage().heapUsed;
  };
  const ask = async (n: number) => {
    const text = `text/html;x=${n}${String(n % 10).repeat(16_000)}`;
    await answer(exchange({ accept: text, 'accept-encoding': `gzip;x=${text}` }));
  };
  for (let n = 0; n < 50; n++) await ask(n);
  const before = used();
  for (let n = 50; n < 1_000; n++) await ask(n);
  const grown = used() - before;
  assert.ok(grown < 2_000_000, `${grown} bytes`);
});
