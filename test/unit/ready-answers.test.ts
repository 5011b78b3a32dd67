// What is kept ready costs what it says it costs.

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
import type { ProjectName } from '../../src/index/project-name.ts';

const PAGE = {
  answer: { outcome: 'hit', ageSeconds: 1, remainingSeconds: 59 },
  page: { etag: '"a"', bytes: Buffer.alloc(100), fields: [], notModifiedFields: [], packed: false },
};

/** An exchange of which nothing is sent. */
function exchange(): Exchange {
  const response = { shouldKeepAlive: true, writeHead: () => {}, end: () => {} };
  const request = { method: 'GET', url: '/simple/a/', headers: {} };
  return new Exchange(request as unknown as IncomingMessage, response as unknown as ServerResponse);
}

test('an answer that is kept ready does not keep the request that it was made for', async () => {
  const ready = new ReadyAnswers({ changes: () => 0, now: () => 1_000, maxBytes: 1_000_000 });
  const handler = new PageHandler({
    service: { peekDetail: () => PAGE } as unknown as IndexService,
    defaultIndexes: ['only'],
    strict: false,
    ready,
    now: () => 1_000,
    onStale: () => {},
  });
  const answerOne = async () => {
    const first = exchange();
    await handler.detail(first, undefined, 'a' as ProjectName, undefined);
    return new WeakRef(first.response);
  };
  const response = await answerOne();
  assert.equal(ready.repeat(exchange()), true);
  setFlagsFromString('--expose-gc');
  await setImmediate();
  (runInNewContext('gc') as () => void)();
  assert.equal(response.deref(), undefined);
});
