import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GrowingBody, type GrowingReader } from '../../src/cache/growing-body.ts';
import type { BlobWriter } from '../../src/store/blobs/blob-store.ts';
import { seededBytes } from '../support/upstream/wheels.ts';

const lend = () => Buffer.alloc(10_000);

/** A disk in memory that takes `capacity` bytes, then nothing. */
function disk(capacity = Number.POSITIVE_INFINITY): BlobWriter {
  let stored = Buffer.alloc(0);
  return {
    write: async (chunks) => {
      const bytes = Buffer.concat(chunks);
      if (stored.length + bytes.length > capacity) throw Object.assign(new Error('full'), { code: 'ENOSPC' });
      stored = Buffer.concat([stored, bytes]);
    },
    read: async (target, position) => stored.copy(target, 0, position),
    publish: () => Promise.reject(new Error('not here')),
    publishAs: () => Promise.reject(new Error('not here')),
    discard: async () => {},
  };
}

function growing(writer: BlobWriter | undefined, sizeBytes: number | undefined, onDeserted = () => {}) {
  return new GrowingBody({
    sizeBytes,
    holdBackBytes: 100,
    writer: Promise.resolve(writer),
    onDiskFailure: () => {},
    onDeserted,
  });
}

async function all(reader: GrowingReader): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let bytes = await reader.next(lend); bytes !== undefined; bytes = await reader.next(lend)) {
    parts.push(Buffer.from(bytes));
  }
  reader.leave();
  return Buffer.concat(parts);
}

for (const [what, capacity] of [
  ['a sound disk', 1e9],
  ['a disk that fails midway', 3_000_000],
  ['no disk', 0],
] as const) {
  test(`readers that begin at any moment get every byte with ${what}`, async () => {
    const bytes = seededBytes(what, 7_000_001);
    const body = growing(capacity === 0 ? undefined : disk(capacity), bytes.length);
    const readers = [all(body.reader())];
    for (let at = 0; at < bytes.length; at += 61_111) {
      await body.append(bytes.subarray(at, at + 61_111));
      // Without a disk the beginning is given up once every reader has passed it; until then anybody may join.
      if (at % (61_111 * 20) === 0 && body.joinable) readers.push(all(body.reader()));
    }
    body.complete();
    if (capacity > 0) assert.equal(readers.length, 7);
    for (const got of await Promise.all(readers)) assert.ok(got.equals(bytes));
    await body.finished;
  });
}

test('the last bytes are hidden until the body is complete', async () => {
  const body = growing(disk(), 1000);
  const reader = body.reader();
  await body.append(Buffer.alloc(1000, 1));
  assert.equal((await reader.next(lend))!.length, 900);
  const rest = reader.next(lend);
  body.complete();
  assert.equal((await rest)!.length, 100);
  assert.equal(await reader.next(lend), undefined);
});

test('a body that turns out wrong rejects every reader that waits, and those that come later', async () => {
  const body = growing(disk(), 1000);
  const reader = body.reader();
  const waiting = reader.next(lend);
  body.fail(new Error('wrong'));
  await assert.rejects(waiting, /wrong/);
  assert.equal(body.joinable, false);
  await assert.rejects(reader.next(lend), /wrong/);
});

test('the source is told when the last of its readers leaves, not before', async () => {
  let deserted = 0;
  const body = growing(disk(), 1000, () => deserted++);
  const [one, two] = [body.reader(), body.reader()];
  one.leave();
  one.leave();
  assert.equal(deserted, 0);
  two.leave();
  assert.equal(deserted, 1);
});

test('a source that is faster than a disk has to wait for it', async () => {
  const gate = Promise.withResolvers<void>();
  const slow = { ...disk(), write: () => gate.promise };
  const body = growing(slow, 20_000_000);
  let taken = 0;
  const pouring = (async () => {
    for (; taken < 20_000_000; taken += 100_000) await body.append(Buffer.alloc(100_000));
  })();
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(taken < 5_000_000, `${taken}`);
  gate.resolve();
  await pouring;
});
