// The entry database does not grow with every name that was ever asked for.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Entry } from '../../src/store/entries/entry.ts';
import { isPrunable } from '../../src/store/entries/tiered-entries.ts';
import { pageRecord } from '../contract/entry-store.contract.ts';
import { openStore } from '../support/disk/entry-stores.ts';

const DAY_MS = 86_400_000;
const page = pageRecord(1).variants[0]!;
const { body: _none, ...bodiless } = page;
const missing: Entry = { ...bodiless, status: 404 };
const stored = async () => true;
const lost = async () => false;

test('worthless is what leads to no body, or says that there was nothing, for more than a day', async () => {
  const later = page.responseTime + DAY_MS;
  const judged = (entries: readonly Entry[], hasBody = stored, now = later) =>
    isPrunable({ format: 1, variants: entries }, now, hasBody);
  assert.equal(await judged([page]), false);
  assert.equal(await judged([page], lost), true);
  assert.equal(await judged([page], lost, later - 1), false);
  assert.equal(await judged([missing]), true);
  assert.equal(await judged([missing], stored, later - 1), false);
  assert.equal(await judged([page, missing]), false);
  assert.equal(await judged([{ ...bodiless, status: 451 }]), false);
  // An alias, a redirect.
  assert.equal(await judged([{ ...bodiless, status: 200 }]), false);
  const doubt = { claim: 'missing', firstSeen: 0, lastSeen: 0, count: 1 };
  assert.equal(await isPrunable({ format: 1, variants: [page], doubt }, later, lost), false);
});

test('a sweep forgets these in memory and on disk, and what came back meanwhile stays', async () => {
  const { store } = await openStore();
  const names = Array.from({ length: 250 }, (_, i) => `page/${i}`);
  for (const name of names) await store.set(name, pageRecord(1));
  const swept = await store.sweep(async (key) => {
    if (key === 'page/7') await store.set('page/7', pageRecord(2));
    return key.endsWith('7');
  }, new AbortController().signal);
  const gone = names.filter((name) => name.endsWith('7') && name !== 'page/7');
  assert.equal(swept, gone.length);
  for (const name of names) assert.equal((await store.get(name)) === undefined, gone.includes(name), name);
  await store.close();
});
