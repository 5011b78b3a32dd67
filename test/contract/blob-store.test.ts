// What every store of bodies promises.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { digestOf } from '../../src/core/digest.ts';
import type { Blob, BlobStore } from '../../src/store/blobs/blob-store.ts';
import { DiskBlobs } from '../../src/store/blobs/disk-blobs.ts';
import { temporaryFiles } from '../support/disk/stored-files.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { seededBytes } from '../support/upstream/wheels.ts';

interface Kind {
  readonly name: string;
  /** `again` opens another store on the same place. */
  open(
    test: TestContext,
  ): Promise<{ readonly store: BlobStore; readonly again: () => BlobStore; readonly place: string }>;
}

const KINDS: readonly Kind[] = [
  {
    name: 'disk',
    open: async (t) => {
      const place = await temporaryFolder(t);
      const again = () => {
        const store = new DiskBlobs({
          dataDir: place,
          memoryBytes: 1e6,
          quotaBytes: 1e9,
          freeSpaceFloorBytes: 0,
          now: Date.now,
          onEvicted: () => {},
          onPaused: () => {},
          onDamage: () => {},
          onUnreadable: () => {},
        });
        t.after(() => store.close());
        return store;
      };
      return { store: again(), again, place };
    },
  },
];

async function put(store: BlobStore, bytes: Buffer): Promise<Blob> {
  const writer = (await store.create('streamed'))!;
  await writer.write([bytes.subarray(0, 10), bytes.subarray(10)]);
  await writer.publish(digestOf(bytes));
  const blob = await store.open(digestOf(bytes));
  await writer.discard();
  return blob!;
}

async function contentOf(blob: Blob): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let position = 0; ; ) {
    const target = Buffer.alloc(70_000);
    const count = await blob.read(target, position);
    if (count === 0) return Buffer.concat(parts);
    parts.push(target.subarray(0, count));
    position += count;
  }
}

for (const kind of KINDS) {
  for (const size of [1, 1_000, 500_000]) {
    test(`${kind.name}: a body of ${size} bytes is had back by its digest, also by another process`, async (t) => {
      const { store, again } = await kind.open(t);
      const bytes = seededBytes('body', size);
      const published = await put(store, bytes);
      assert.ok((await contentOf(published)).equals(bytes));
      published.release();
      for (const place of [store, again()]) {
        const blob = (await place.open(digestOf(bytes)))!;
        assert.deepEqual([blob.digest, blob.sizeBytes], [digestOf(bytes), size]);
        assert.ok((await contentOf(blob)).equals(bytes));
        blob.release();
      }
    });
  }

  test(`${kind.name}: what was not published cannot be seen and leaves nothing behind`, async (t) => {
    const { store, place } = await kind.open(t);
    const bytes = seededBytes('lost', 1_000);
    const writer = (await store.create('streamed'))!;
    await writer.write([bytes]);
    assert.equal(await store.open(digestOf(bytes)), undefined);
    await writer.discard();
    assert.equal(await store.open(digestOf(bytes)), undefined);
    assert.deepEqual(await temporaryFiles(place), []);
  });

  test(`${kind.name}: a body that is written can be read back before it is published`, async (t) => {
    const { store } = await kind.open(t);
    const writer = (await store.create('streamed'))!;
    await writer.write([Buffer.from('abc'), Buffer.from('def')]);
    const target = Buffer.alloc(4);
    assert.equal(await writer.read(target, 2), 4);
    assert.equal(target.toString(), 'cdef');
    await writer.discard();
  });

  test(`${kind.name}: the same body stored twice is one, and readers of the first are not disturbed`, async (t) => {
    const { store } = await kind.open(t);
    const bytes = seededBytes('twice', 300_000);
    const first = await put(store, bytes);
    const second = await put(store, bytes);
    assert.ok((await contentOf(first)).equals(bytes));
    assert.ok((await contentOf(second)).equals(bytes));
    first.release();
    second.release();
  });

  test(`${kind.name}: a removed body is gone, but not for who reads it`, async (t) => {
    const { store } = await kind.open(t);
    const bytes = seededBytes('removed', 300_000);
    const blob = await put(store, bytes);
    await store.remove(digestOf(bytes), 'purge');
    assert.equal(await store.open(digestOf(bytes)), undefined);
    assert.ok((await contentOf(blob)).equals(bytes));
    blob.release();
  });

  test(`${kind.name}: an owned body brings its description, and its successor takes its place`, async (t) => {
    const { store, again } = await kind.open(t);
    for (const text of ['first', 'second']) {
      const writer = (await store.create('streamed'))!;
      await writer.write([Buffer.from(text)]);
      await writer.publishAs('page:a/../b', digestOf(text), { text });
      await writer.discard();
    }
    for (const place of [store, again()]) {
      const owned = (await place.openOwned('page:a/../b'))!;
      assert.deepEqual([owned.description, (await contentOf(owned.blob)).toString()], [{ text: 'second' }, 'second']);
      owned.blob.release();
    }
    await store.removeOwned('page:a/../b', 'purge');
    assert.equal(await store.openOwned('page:a/../b'), undefined);
  });
}
