// Makes the picture of the status page that README shows: a day of made-up traffic through the real program, seen by
// a real browser. `node test/demo/status-page-shot.ts [file.png [width [height [dark]]]]`; height 0
// is the whole page.

import { writeFile } from 'node:fs/promises';
import { keepDrill } from '../../src/observe/drills.ts';
import { FakeClock } from '../support/clock/clock.ts';
import { makeFolder, removeFolder } from '../support/disk/temporary-folder.ts';
import { Chromium } from '../support/proxy/chromium.ts';
import { get } from '../support/proxy/http-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { wheel } from '../support/upstream/wheels.ts';

const SECOND_MS = 1_000;
const HOUR_MS = 3_600_000;
const NAMES = ['index.example', 'mirror.example'];
/** Requests in each hour of the day that ends in the picture. */
const DAY = [2, 1, 1, 1, 2, 3, 8, 17, 31, 42, 38, 40, 36, 44, 51, 47, 39, 30, 22, 15, 12, 9, 6, 16];
const WHEELS = Array.from({ length: 12 }, (_, i) =>
  wheel({ name: `demo${i}`, version: '1.0', sizeBytes: 90_000 * (i + 1) }),
);

const [file = 'deploy/status-page.png', width = '960', height = '980', scheme] = process.argv.slice(2);

const mirrors = await Promise.all(NAMES.map(() => FakeIndex.start()));
for (const index of mirrors) for (const [i, one] of WHEELS.entries()) index.add(`demo${i}`, one);
const clock = new FakeClock(Math.floor(Date.now() / HOUR_MS) * HOUR_MS + HOUR_MS / 2 - (DAY.length - 1) * HOUR_MS);
const upstreams = mirrors.map(({ url }, i) => url.replace('127.0.0.1', NAMES[i]!));
const dataDir = await makeFolder();
for (const [lock, readiness] of [
  ['shop/uv.lock', 1],
  ['models/poetry.lock', 0.984],
] as const) {
  await keepDrill(dataDir, { lock, readiness, at: clock.now() + (DAY.length - 4) * HOUR_MS });
}
const proxy = await startProxy({
  dataDir,
  upstreams,
  now: clock.now,
  config: { diskQuotaBytes: 50e6 },
  overrides: { lookup: async () => ['127.0.0.1'], version: '0.1.0' },
});
const browser = await Chromium.start();
try {
  for (const [hour, requests] of DAY.entries()) {
    if (hour > 0) clock.advance(HOUR_MS - DAY[hour - 1]! * SECOND_MS);
    // What is new each hour is fetched, the rest is here; in the last hour one of the mirrors goes away.
    for (let i = 0; i < requests; i++) {
      if (hour === DAY.length - 1 && i === 8) {
        await mirrors[0]!.down();
        clock.advance(70 * SECOND_MS);
      }
      const number = (hour + i) % Math.min(WHEELS.length, 2 + hour);
      const { host } = new URL(upstreams[0]!);
      await get(`${proxy.url}/simple/demo${number}/`);
      await get(`${proxy.url}/files/http/${host}${mirrors[0]!.pathOf(WHEELS[number]!)}`);
      clock.advance(SECOND_MS);
    }
  }
  clock.advance(2 * SECOND_MS);
  await browser.open(`${proxy.url}/`, { width: Number(width), height: Number(height) || 900, dark: scheme === 'dark' });
  await writeFile(file, await browser.screenshot(height === '0'));
  console.log(browser.problems.length === 0 ? `wrote ${file}` : browser.problems.join('\n'));
} finally {
  await browser.close();
  await proxy.close();
  await removeFolder(dataDir);
  for (const index of mirrors) await index.close();
}
