// The free space of the disk, as the status page tells it.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { freeBytes } from '../../src/observe/free-bytes.ts';
import { SeenLast } from '../../src/status-page/seen-last.ts';
import { FakeClock } from '../support/clock/clock.ts';
import { until } from '../support/clock/until.ts';
import { makeFolder, removeFolder, temporaryFolder } from '../support/disk/temporary-folder.ts';

test('nobody waits for the disk: what was seen last is told, and looked at again after ten seconds', async () => {
  const folder = await makeFolder();
  const clock = new FakeClock();
  const space = new SeenLast({ look: () => freeBytes(folder), now: clock.now });
  assert.equal(space.value, undefined);
  await until(async () => space.value !== undefined);
  await removeFolder(folder);
  clock.advance(9_999);
  assert.ok(space.value! > 0);
  clock.advance(1);
  // This question is still answered with the last figure, and starts the look that finds the folder gone.
  assert.ok(space.value! > 0);
  await until(async () => space.value === undefined);
});

test('a folder that is missing has no free space to tell of, and harms nobody', async (t) => {
  const folder = join(await temporaryFolder(t), 'missing');
  const space = new SeenLast({ look: () => freeBytes(folder), now: () => 0 });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(space.value, undefined);
});
