import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { digestOf } from '../../src/cache/digest.ts';
import type { Entry } from '../../src/cache/entry.ts';
import { RecentBodies } from '../../src/cache/recent-bodies.ts';
import { RenderedPages } from '../../src/index/rendered-pages.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const PAGES = 5_000;
const BODY_BYTES = 1_000;

/** Bytes of V8's heap and of buffers that are needed. */
function usedBytes(): number {
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

it('recent bodies cost no more memory than their budget counts, also where they are cut out of larger memory', () => {
  const maxBytes = 4_000_000;
  const bodies = new RecentBodies({ maxBytes });
  const before = usedBytes();
  for (let i = 0; i < PAGES; i++) bodies.add(digestOf(`${i}`), randomBytes(20 * BODY_BYTES).subarray(0, BODY_BYTES));
  const taken = usedBytes() - before;
  assert.ok(bodies.get(digestOf(`${PAGES - 1}`)) !== undefined && bodies.get(digestOf('0')) === undefined);
  assert.ok(taken <= maxBytes && taken > maxBytes / 2, `${taken} bytes`);
});

it('rendered pages cost no more memory than their budget counts', async () => {
  const pages = new RenderedPages({ maxBytes: 1e9 });
  const before = usedBytes();
  for (let i = 0; i < PAGES; i++) await pages.get(entryOf(i), 'json', 'gzip', async () => randomBytes(BODY_BYTES));
  const taken = usedBytes() - before;
  assert.ok(pages.peek(entryOf(0), 'json', 'gzip') !== undefined);
  assert.ok(taken <= pages.bytes && taken > pages.bytes / 2, `${taken} bytes, counted as ${pages.bytes}`);
});

function entryOf(i: number): Entry {
  return {
    status: 200,
    fields: [],
    url: `https://index.example/simple/project-${i}/`,
    requestTime: 0,
    responseTime: 0,
    varying: [],
    source: 'test',
    body: { digest: digestOf(`${i}`), sizeBytes: BODY_BYTES, verified: true },
    facts: { files: 1, apiVersion: '1.0', serial: i },
  };
}
