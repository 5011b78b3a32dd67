// What others leave in the stream of purges costs this node little, however large it is.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SharedEnvelope } from '../../src/store/redis/envelope.ts';
import { RedisLink } from '../../src/store/redis/redis-link.ts';
import { BEFORE_ALL, SharedPurges } from '../../src/store/redis/redis-purges.ts';
import { until } from '../support/clock/until.ts';
import { RedisServer, redisMissing } from '../support/redis/redis-server.ts';

const STREAM = 'wheelkeep:1:purges';

test('a stream of oversized entries is not read and begins anew', {
  skip: redisMissing,
  timeout: 60_000,
}, async (t) => {
  const redis = await RedisServer.start();
  t.after(() => redis.kill());
  const link = new RedisLink({ url: redis.url, now: () => performance.now(), onChange: () => {} });
  t.after(() => link.close());
  await until(() => link.ready, 'a connection');
  let reads = 0;
  const counting = {
    append: link.append.bind(link),
    remove: link.remove.bind(link),
    sizeOf: link.sizeOf.bind(link),
    appended: (key: string, position: string, most: number) => {
      reads += 1;
      return link.appended(key, position, most);
    },
  };
  const envelope = new SharedEnvelope({ url: redis.url });
  const purges = new SharedPurges({ link: counting, envelope, attempt: (command) => command() });
  for (let i = 0; i < 1_000; i += 1) assert.ok(await purges.tell('one', { project: `p${i}`, until: i }));
  const { orders, last } = (await purges.after(BEFORE_ALL))!;
  assert.deepEqual([orders.length, orders[999]?.position], [1_000, last]);

  reads = 0;
  for (let i = 0; i < 4; i += 1) await link.append(STREAM, Buffer.alloc(16 << 20), 1_000);
  assert.deepEqual(await purges.after(last!), { orders: [], last: undefined });
  assert.equal(reads, 0);
  await purges.tell('one', { project: 'later', until: 1 });
  assert.deepEqual(
    (await purges.after(last!))?.orders.map(({ project }) => project),
    ['later'],
  );
});
