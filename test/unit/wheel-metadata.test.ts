// Core metadata cut out of a wheel that is arriving: whoever wants it holds the wheel until it has been opened.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Answer } from '../../src/cache/answer.ts';
import type { Profile, Resource } from '../../src/cache/profile.ts';
import type { ReadThrough } from '../../src/cache/read-through.ts';
import { digestOf } from '../../src/core/digest.ts';
import { collect } from '../../src/core/http-body.ts';
import { NoRanges } from '../../src/files/ranged-wheel.ts';
import { WheelMetadata } from '../../src/files/wheel-metadata.ts';
import type { Blob } from '../../src/store/blobs/blob-store.ts';
import { MemoryBlob } from '../../src/store/blobs/stored-blob.ts';
import type { Entry } from '../../src/store/entries/entry.ts';
import { wheel } from '../support/upstream/wheels.ts';

const file = wheel({ name: 'demo', version: '1.0' });
const digest = digestOf(file.bytes);
const entry = { status: 200, body: { digest, sizeBytes: file.bytes.length, verified: true } } as Entry;

test('a wheel is not left before its metadata is read: it could be evicted in between', async () => {
  let reading = true;
  const leave = () => {
    reading = false;
  };
  const arriving = { reader: { leave }, arrived: Promise.resolve(entry) };
  const answer = { entry, arriving } as unknown as Answer;
  const readThrough: Partial<ReadThrough> = {
    held: async () => undefined,
    read: async () => answer,
    body: async () => ({ answer, blob: undefined }),
    // As after an eviction: what nobody reads is gone at once.
    open: async (): Promise<Blob | undefined> => (reading ? new MemoryBlob(digest, file.bytes) : undefined),
  };
  const subject = new WheelMetadata({
    readThrough: readThrough as ReadThrough,
    provenProfile: {} as Profile,
    onWrongPart: () => {},
  });
  const of = (key: string) => ({ key, request: { url: `https://files.example/${key}` } }) as Resource;
  const noRanges = async () => Promise.reject(new NoRanges('none'));
  const metadata = await subject.extracted(of('metadata'), { wheel: of('wheel'), askPart: () => noRanges });
  const { signal } = new AbortController();
  const response = await metadata.fetch({ conditions: [], fromByte: 0, avoid: new Set(), signal });
  assert.ok((await collect(response, 10_000)).equals(file.metadata));
  assert.equal(reading, false, 'and then it is');
});
