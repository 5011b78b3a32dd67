import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '../../src/core/digest.ts';
import { metadataOfWheel, storedWheel } from '../../src/files/wheel-metadata.ts';
import { UnreadableWheel } from '../../src/files/zip-members.ts';
import { MemoryBlob } from '../../src/store/blobs/stored-blob.ts';
import { zip } from '../support/upstream/archives.ts';
import { wheel } from '../support/upstream/wheels.ts';

const read = (bytes: Buffer) => metadataOfWheel(storedWheel(new MemoryBlob(digestOf(bytes), bytes)));
const member = (path: string, stored = false) => ({ path, bytes: Buffer.from(`Name: ${path}\n`), stored });

test('the METADATA of a wheel comes out byte for byte, deflated or stored', async () => {
  const demo = wheel({ name: 'demo', version: '1.0', requires: ['other>=1'], sizeBytes: 300_000 });
  assert.deepEqual(await read(demo.bytes), demo.metadata);
  const name = 'demo-1.0.dist-info/METADATA';
  assert.equal((await read(zip([member('a.py'), member(name, true)]))).toString(), `Name: ${name}\n`);
  // A comment behind the end record, as some tools write.
  const commented = Buffer.concat([demo.bytes, Buffer.alloc(1000, 'x')]);
  commented.writeUInt16LE(1000, demo.bytes.length - 2);
  assert.deepEqual(await read(commented), demo.metadata);
});

test('only one METADATA at the top counts', async () => {
  const vendored = member('vendor/other-1.0.dist-info/METADATA');
  await assert.rejects(read(zip([vendored])), UnreadableWheel);
  const both = [member('a-1.dist-info/METADATA'), member('b-1.dist-info/METADATA')];
  await assert.rejects(read(zip(both)), UnreadableWheel);
  assert.match((await read(zip([vendored, both[0]!]))).toString(), /^Name: a-1/);
});

test('whatever byte of a wheel is changed or missing, the METADATA is right or refused', async () => {
  const { bytes, metadata } = wheel({ name: 'demo', version: '1.0' });
  for (let i = 0; i < bytes.length; i++) {
    const changed = Buffer.from(bytes);
    changed[i]! ^= 0xff;
    for (const damaged of [changed, bytes.subarray(0, i)]) {
      const result = await read(damaged).catch((error: unknown) => error);
      assert.ok(
        result instanceof UnreadableWheel || (result instanceof Buffer && result.equals(metadata)),
        `byte ${i}: ${String(result)}`,
      );
    }
  }
});
