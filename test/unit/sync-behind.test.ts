// When a body's bytes go through to the disk, seen from its name: what takes another's place is safe before that.

import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { digestOf } from '../../src/core/digest.ts';
import type { SyncTime } from '../../src/store/blobs/blob-store.ts';
import { type BlobPlaces, DiskBlobWriter, SyncBehind } from '../../src/store/blobs/blob-writer.ts';

const NOBODY = () => assert.fail('no sync failed');

test('a body that replaces another is on the disk before its name leads to it, a first one may follow its name', async (t) => {
  assert.deepEqual(await stepsOf(t, 'before'), ['synced under no name', 'published']);
  assert.deepEqual(await stepsOf(t, 'behind'), ['published', 'synced under its name', 'closed']);
});

test('a disk that falls behind its syncs makes writers wait', async () => {
  const disk = slowHandle();
  const syncs = new SyncBehind({ onFailure: NOBODY });
  const accepted = Array.from({ length: 33 }, () => syncs.sync(disk.handle).accepted);
  await Promise.all(accepted.slice(0, 32));
  let isLastAccepted = false;
  const last = accepted[32]!.then(() => {
    isLastAccepted = true;
  });
  await new Promise(setImmediate);
  assert.equal(isLastAccepted, false);
  disk.finish();
  await last;
});

test('a sync that fails is told of, and the handle may be closed all the same', async () => {
  const told: unknown[] = [];
  const syncs = new SyncBehind({ onFailure: (error) => told.push(error.code) });
  const failure = Object.assign(new Error('the disk is gone'), { code: 'EIO' });
  await syncs.sync({ datasync: () => Promise.reject(failure) } as unknown as fs.promises.FileHandle).done;
  assert.deepEqual(told, ['EIO']);
});

/** What happened to a body's file, in order. */
async function stepsOf(t: { after(done: () => void): void }, sync: SyncTime): Promise<string[]> {
  const folder = fs.mkdtempSync(join(tmpdir(), 'wheelkeep-sync-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const place = join(folder, 'body');
  const steps: string[] = [];
  const real = await fs.promises.open(join(folder, 'temporary'), 'wx+');
  const handle = {
    writev: real.writev.bind(real),
    async datasync() {
      if (sync === 'behind') await new Promise(setImmediate);
      steps.push(fs.existsSync(place) ? 'synced under its name' : 'synced under no name');
    },
    async close() {
      await real.close();
      if (sync === 'behind') steps.push('closed');
    },
  };
  const places = {
    space: { reserve: async () => {}, settle: () => {}, worked: () => {} },
    syncs: new SyncBehind({ onFailure: NOBODY }),
    bodyPath: () => place,
    inTurn: (_place: unknown, change: () => Promise<unknown>) => change(),
    adopt: (_kind: unknown, _place: unknown, fd: number) => {
      steps.push('published');
      return { release: () => fs.closeSync(fd) };
    },
  };
  const writer = new DiskBlobWriter(
    handle as unknown as fs.promises.FileHandle,
    join(folder, 'temporary'),
    'whole',
    places as unknown as BlobPlaces,
  );
  await writer.write([Buffer.from('a page')]);
  await writer.publishAs('page:demo', digestOf('a page'), {}, sync);
  await writer.discard();
  return steps;
}

/** A disk whose syncs all end when it is told to finish. */
function slowHandle() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { handle: { datasync: () => promise } as unknown as fs.promises.FileHandle, finish: resolve };
}
