// Purge orders in a Redis that anybody may write to: nothing in it makes a node deaf to what comes afterwards.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { PurgeExchange } from '../../src/admin/purge-sync.ts';
import { SharedEnvelope } from '../../src/store/redis/envelope.ts';
import { PurgeMarks } from '../../src/store/redis/purge-marks.ts';
import { SharedPurges } from '../../src/store/redis/redis-purges.ts';
import { until } from '../support/clock/until.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';

const LAST_POSITION = '18446744073709551615-18446744073709551615';
const NOW = 1_000_000_000_000;

function stream() {
  let entries: { position: string; bytes: Buffer }[] = [];
  const asked: string[] = [];
  const envelope = new SharedEnvelope({ url: 'redis://127.0.0.1:1' });
  const link = {
    append: async (_key: string, bytes: Buffer): Promise<true> => {
      const last = entries.at(-1)?.position;
      if (last === LAST_POSITION) throw new Error('ERR the stream has exhausted the last possible ID');
      entries.push({ position: `${NOW}-${entries.length + 1}`, bytes });
      return true;
    },
    appended: async (_key: string, position: string) => {
      asked.push(position);
      const at = entries.findIndex((one) => one.position === position);
      return entries.slice(at + 1);
    },
    sizeOf: async () => entries.reduce((sum, { bytes }) => sum + bytes.length, 0),
    remove: async () => {
      entries = [];
    },
  };
  const attempt = <T>(command: () => Promise<T>) => command().catch(() => undefined);
  const shared = new SharedPurges({ link, envelope, attempt });
  const forge = (position: string, bytes: Buffer) => entries.push({ position, bytes });
  return { shared, asked, forge, first: () => entries[0]!.bytes };
}

async function node(t: TestContext, shared: SharedPurges) {
  const purged: [string | undefined, number][] = [];
  const marks = new PurgeMarks({ projectOf: (key) => key, isPurgeable: () => true });
  const exchange = new PurgeExchange({
    shared,
    marks,
    purger: { purge: async (project, time) => void purged.push([project, time!]) as never },
    outdate: async () => assert.fail('nobody uploads here'),
    node: 'one',
    dataDir: await temporaryFolder(t),
    now: () => NOW,
    onUnexpected: (error) => assert.fail(String(error)),
  });
  t.after(() => exchange.close());
  return { exchange, purged, marks };
}

test('what does not verify is read once', async (t) => {
  const { shared, asked, forge } = stream();
  forge(`${NOW}-1`, Buffer.alloc(0));
  forge(`${NOW}-2`, Buffer.from('forged'));
  const { exchange, purged } = await node(t, shared);
  await exchange.start();
  await until(() => asked.length > 1, 'a second reading');
  assert.deepEqual(asked, ['0-0', `${NOW}-2`]);
  assert.deepEqual(purged, []);
});

test('a genuine order at the last possible position does not hide the orders after it', async (t) => {
  const { shared, forge, first } = stream();
  await shared.tell('two', { project: 'demo', until: NOW });
  forge(LAST_POSITION, first());
  const { exchange, purged } = await node(t, shared);
  await exchange.start();
  assert.equal(await shared.tell('two', { project: 'later', until: NOW + 1 }), true);
  await until(() => purged.some(([project]) => project === 'later'), 'the later order');
});

test('an order reaches no further than our own clock', async (t) => {
  const { shared } = stream();
  await shared.tell('two', { project: 'demo', until: Number.MAX_SAFE_INTEGER });
  const { exchange, marks } = await node(t, shared);
  await exchange.start();
  assert.equal(marks.isPurged('demo', NOW), true);
  assert.equal(marks.isPurged('demo', NOW + 3_600_000), false);
});
