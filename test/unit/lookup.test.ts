// Forgetting a key while somebody asks for it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FetchTools } from '../../src/cache/fetch-tools.ts';
import { KeyChanges } from '../../src/cache/key-changes.ts';
import { Lookup, type StoredByOthers } from '../../src/cache/lookup.ts';
import type { Resource } from '../../src/cache/profile.ts';
import type { Digest } from '../../src/core/digest.ts';
import type { EntryRecord } from '../../src/store/entries/entry.ts';
import { encodeRecord } from '../../src/store/entries/record-codec.ts';

const KEY = 'page:main:demo';
const DIGEST = 'a'.repeat(64) as Digest;
const RECORD: EntryRecord = {
  format: 1,
  variants: [
    {
      status: 200,
      fields: [],
      url: 'https://index.example/simple/demo/',
      requestTime: 1_000,
      responseTime: 1_000,
      varying: [],
      source: 'index.example',
      body: { digest: DIGEST, sizeBytes: 1, verified: false },
      facts: null,
    },
  ],
};
const RESOURCE = { key: KEY, profile: { body: { kind: 'whole' } } } as unknown as Resource;

test('what is asked for while it is being forgotten does not come back by its body, which says what it is', async () => {
  const records = new Map([[KEY, RECORD]]);
  const meanwhile: Promise<EntryRecord | undefined>[] = [];
  let bodyIsThere = true;
  const tools = {
    entries: {
      peek: (key: string) => records.get(key),
      reread: (key: string) => records.get(key),
      get: async (key: string) => records.get(key),
      set: async (key: string, record: EntryRecord) => void records.set(key, record),
      delete: async (key: string) => {
        records.delete(key);
        // It waits for its turn, which comes when all is forgotten.
        meanwhile.push(copies.lookUp(RESOURCE));
      },
    },
    blobs: {
      openOwned: async () =>
        bodyIsThere
          ? {
              blob: { digest: DIGEST, sizeBytes: 1, release: () => {} },
              description: { key: KEY, record: encodeRecord(RECORD) },
            }
          : undefined,
      removeOwned: async () => {
        await copies.lookUp(RESOURCE);
        bodyIsThere = false;
      },
    },
    changes: new KeyChanges(),
    now: () => 2_000,
  } as unknown as FetchTools;
  const copies: Lookup = new Lookup(tools, { adopt: async () => undefined } as unknown as StoredByOthers);

  records.clear();
  assert.deepEqual(await copies.lookUp(RESOURCE), RECORD, 'a body alone is enough to be found');
  await copies.forget(KEY, { withShared: false, stays: () => false });
  assert.deepEqual(await Promise.all([...meanwhile, copies.lookUp(RESOURCE)]), [undefined, undefined]);
});
