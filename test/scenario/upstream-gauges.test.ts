// The gauges by which a person sees at a glance whether upstream is well and how old what clients get is.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { get } from '../support/proxy/http-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { wheel } from '../support/upstream/wheels.ts';

test('health, breaker and the age of stale pages tell of an outage and of its end', async (t) => {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const names = ['demo-a', 'demo-b', 'demo-c', 'demo-d', 'demo-e', 'demo-f'];
  for (const name of names) index.add(name, wheel({ name, version: '1.0' }));
  const clock = { ms: Date.now() };
  const proxy = await startProxy({
    upstreams: [index.url],
    dataDir: await temporaryFolder(t),
    now: () => clock.ms,
  });
  t.after(() => proxy.close());
  const upstream = new URL(index.url).host;
  const gauges = async () => {
    const metrics = await proxy.metrics();
    return {
      healthy: metrics[`wheelkeep_upstream_healthy{upstream="${upstream}"}`],
      breaker: metrics[`wheelkeep_upstream_breaker_state{upstream="${upstream}"}`],
      oldest: metrics.wheelkeep_oldest_stale_age_seconds,
      fetches: metrics.wheelkeep_active_flights,
    };
  };
  const ask = async () => {
    for (const name of names) assert.equal((await get(`${proxy.url}/simple/${name}/`)).status, 200);
  };

  await ask();
  assert.deepEqual(await gauges(), { healthy: 1, breaker: 0, oldest: 0, fetches: 0 });

  await index.down();
  clock.ms += 300_000;
  await ask();
  const { oldest, ...others } = await gauges();
  assert.deepEqual(others, { healthy: 0, breaker: 2, fetches: 0 });
  assert.ok(oldest! >= 300 && oldest! <= 301, `${oldest}`);

  await index.up();
  clock.ms += 61_000;
  await ask();
  assert.deepEqual(await gauges(), { healthy: 1, breaker: 0, oldest: 0, fetches: 0 });
});
