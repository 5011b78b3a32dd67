// What every entry store promises, whatever tiers it has. One suite, run on each of them by entry-store.test.ts.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { digestOf } from '../../src/core/digest.ts';
import type { EntryRecord } from '../../src/store/entries/entry.ts';
import type { EntryStore } from '../../src/store/entries/entry-store.ts';

export interface EntryStoreKind {
  readonly name: string;
  /** A fresh, empty store. */
  readonly open: () => Promise<EntryStore>;
  /** Whether it has a disk, and so keys and a memory of closed stores. */
  readonly onDisk: boolean;
  /** The reason why it cannot be tested here, else false. */
  readonly skip: string | false;
}

/** A record like those of an index page, told apart by `serial`. */
export function pageRecord(serial: number, padding = ''): EntryRecord {
  return {
    format: 1,
    variants: [
      {
        status: 200,
        fields: ['content-type', 'application/vnd.pypi.simple.v1+json', 'etag', `"${serial}${padding}"`],
        url: 'https://index.example/simple/numpy/',
        requestTime: 1_000,
        responseTime: 1_020,
        varying: ['accept', 'application/json'],
        body: { digest: digestOf(`page ${serial}`), sizeBytes: 7, verified: false },
        facts: { serial, files: [1, null, 'é \u{1f40d}'] },
        source: 'index.example',
      },
    ],
    doubt: { claim: '404', firstSeen: 1, lastSeen: 2, count: 1 },
  };
}

export function entryStoreContract(kind: EntryStoreKind): void {
  describe(`an entry store with ${kind.name}`, { skip: kind.skip }, () => {
    let store: EntryStore;
    before(async () => {
      store = await kind.open();
    });
    after(() => store.close());

    test('gives back what was set, at once from memory', async () => {
      await store.set('page/one', pageRecord(1));
      assert.deepEqual(store.peek('page/one'), pageRecord(1));
      assert.deepEqual(await store.get('page/one'), pageRecord(1));
    });

    test('knows nothing of a key that was never set', async () => {
      assert.equal(store.peek('page/none'), undefined);
      assert.equal(await store.get('page/none'), undefined);
      assert.equal(await store.getShared('page/none'), undefined);
      assert.equal(await store.getSharedBody(digestOf('nobody stored this')), undefined);
    });

    test('keeps the newest of several records', async () => {
      await store.set('page/changed', pageRecord(1));
      await store.set('page/changed', pageRecord(2));
      assert.deepEqual(await store.get('page/changed'), pageRecord(2));
    });

    test('a removal that follows a write at once is not overtaken by it', async () => {
      const setting = store.set('page/removed', pageRecord(1));
      const removing = store.delete('page/removed');
      await Promise.all([setting, removing]);
      assert.equal(store.peek('page/removed'), undefined);
      assert.equal(await store.get('page/removed'), undefined);
      assert.deepEqual(store.keys('page/removed', '', 10), []);
    });

    test('a write that follows a removal at once stays', async () => {
      const removing = store.delete('page/again');
      const setting = store.set('page/again', pageRecord(7));
      await Promise.all([removing, setting]);
      assert.deepEqual(await store.get('page/again'), pageRecord(7));
    });

    test('records are frozen all the way down, because readers share them', async () => {
      await store.set('page/frozen', pageRecord(1));
      const entry = store.peek('page/frozen')!.variants[0]!;
      assert.throws(() => (entry.fields as string[]).push('x'), TypeError);
      assert.throws(() => Object.assign(entry.facts as object, { serial: 2 }), TypeError);
    });

    // Keys are listed from disk; memory alone promises none.
    if (kind.onDisk) {
      test('lists keys by prefix, in order, page by page', async () => {
        for (const name of ['c', 'a', 'b', 'ä']) await store.set(`list/${name}`, pageRecord(1));
        await store.set('lisu', pageRecord(1));
        assert.deepEqual(store.keys('list/', '', 2), ['list/a', 'list/b']);
        assert.deepEqual(store.keys('list/', 'list/b', 10), ['list/c', 'list/ä']);
        assert.deepEqual(store.keys('list/', 'list/ä', 10), []);
      });
    }

    test('a record too large for the disk is still served from memory', async () => {
      await store.set('page/large', pageRecord(1, 'x'.repeat(300_000)));
      assert.deepEqual(await store.get('page/large'), pageRecord(1, 'x'.repeat(300_000)));
    });

    test('says how much it holds', () => {
      const status = store.status();
      assert.ok(status.memoryBytes > 300_000);
      if (kind.onDisk) assert.ok(status.records > 0);
    });
  });
}
