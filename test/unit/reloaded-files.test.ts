import assert from 'node:assert/strict';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ReloadedFiles, type ReloadedFilesOptions } from '../../src/access/reloaded-files.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';

async function reloaded(t: TestContext, read: ReloadedFilesOptions<string>['read']) {
  const path = join(await temporaryFolder(t), 'file');
  await writeFile(path, 'one');
  const seen: string[] = [];
  const files = new ReloadedFiles({
    paths: [path],
    read,
    onChange: (value) => seen.push(value),
    onFailure: ({ message }) => seen.push(`failed: ${message}`),
  });
  t.after(() => files.close());
  return { path, files, seen };
}

test('a reading that failed is tried again although the file has not changed, and told of once', async (t) => {
  const results = [new Error('EIO'), new Error('EIO'), 'value', new Error('never asked')];
  const { files, seen } = await reloaded(t, async () => {
    const result = results.shift()!;
    if (result instanceof Error) throw result;
    return result;
  });
  for (let look = 0; look < 5; look++) await files.look();
  assert.deepEqual(seen, ['failed: EIO', 'value']);
});

test('an unchanged file is not read, unless somebody has a reason to doubt that it is unchanged', async (t) => {
  let reads = 0;
  const { files, path } = await reloaded(t, async () => String(++reads));
  await files.look();
  await files.look();
  assert.equal(reads, 1);
  await files.look(true);
  assert.equal(reads, 2);
  await writeFile(`${path}.new`, 'one');
  await rename(`${path}.new`, path);
  await files.look();
  assert.equal(reads, 3);
});

test('a slow reading does not put what it read in the place of what a later one found', async (t) => {
  const first = Promise.withResolvers<string>();
  const readings = [first.promise, Promise.resolve('newer')];
  const { files, seen } = await reloaded(t, () => readings.shift()!);
  const both = [files.look(), files.look(true)];
  first.resolve('older');
  await Promise.all(both);
  assert.deepEqual(seen, ['older', 'newer']);
});
