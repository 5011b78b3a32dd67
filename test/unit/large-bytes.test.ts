import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { digestInPieces } from '../../src/core/digest.ts';
import { collect } from '../../src/core/http-body.ts';
import { bodyMemory, inPieces, joined } from '../../src/core/large-bytes.ts';

const MEGABYTE = 1024 * 1024;

test('others get their turn after each megabyte of work, however the bytes are cut', async () => {
  const whole = Buffer.alloc(8 * MEGABYTE + 5);
  const chunks = Array.from({ length: 129 }, (_, i) => whole.subarray(i * 65_536, (i + 1) * 65_536));
  for (const buffers of [[whole], chunks]) {
    let inThisTurn = 0;
    let most = 0;
    let total = 0;
    await inPieces(buffers, (part) => {
      if (inThisTurn === 0) {
        setImmediate(() => {
          inThisTurn = 0;
        });
      }
      inThisTurn += part.length;
      total += part.length;
      most = Math.max(most, inThisTurn);
    });
    assert.equal(total, whole.length);
    assert.equal(most, MEGABYTE);
  }
});

test('the digest taken in pieces is that of the whole', async () => {
  const bytes = Buffer.alloc(3 * MEGABYTE + 7, 'digest');
  for (const part of [bytes, bytes.subarray(0, 10), bytes.subarray(0, 0)]) {
    assert.equal(await digestInPieces(part), createHash('sha256').update(part).digest('hex'));
  }
});

test('a large body is joined where other threads read it without a copy, a small one is not', async () => {
  const chunks = Array.from({ length: 80 }, (_, i) => Buffer.alloc(65_536, i));
  const response = { status: 200, fields: [], url: '', source: '', requestTime: 0, responseTime: 0 };
  const body = await collect({ ...response, body: Readable.from(chunks) }, 8 * MEGABYTE);
  assert.ok(body.equals(Buffer.concat(chunks)));
  assert.ok((body.buffer as ArrayBufferLike) instanceof SharedArrayBuffer);
  assert.ok((bodyMemory(5 * MEGABYTE).buffer as ArrayBufferLike) instanceof SharedArrayBuffer);
  assert.ok((await joined(chunks.slice(0, 2), 131_072)).equals(Buffer.concat(chunks.slice(0, 2))));
  assert.ok(bodyMemory(131_072).buffer instanceof ArrayBuffer);
});
