import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { HeadLimit, MAX_HEAD_BYTES } from '../../src/net/head-limit.ts';

/** Whether all of it may be read, arriving in pieces of that size. */
function passes(text: string, pieceBytes: number): boolean {
  const bytes = Buffer.from(text, 'latin1');
  let at = 0;
  let exceeded = 0;
  const socket = {
    read: () => {
      const piece = bytes.subarray(at, at + pieceBytes);
      at += pieceBytes;
      return piece.length === 0 ? null : piece;
    },
  };
  const limit = new HeadLimit(socket as unknown as Socket, () => exceeded++);
  limit.awaitHead();
  let read = 0;
  for (let piece = socket.read(); piece !== null && exceeded === 0; piece = socket.read()) {
    read += piece.length;
    // The parser hands on what follows the head.
    limit.bodyArrived();
  }
  assert.ok(exceeded === 1 || (exceeded === 0 && read === bytes.length));
  return exceeded === 0;
}

const lines = (count: number, bytes: number) => `x: ${'a'.repeat(bytes)}\r\n`.repeat(count);
const large = 'b'.repeat(3 * MAX_HEAD_BYTES);
const manyLines = '\n'.repeat(3_000);

for (const pieceBytes of [1, 7, 1_000, 65_536]) {
  test(`the head is measured, whatever comes after it is not, in pieces of ${pieceBytes}`, () => {
    assert.ok(passes(`HTTP/1.1 200 OK\r\n${lines(200, 200)}\r\n${large}${manyLines}`, pieceBytes));
    assert.ok(passes(`HTTP/1.1 200 OK\n${lines(20, 20)}\n${large}${manyLines}`, pieceBytes));
    assert.ok(
      passes(`HTTP/1.1 103 Early\r\n${lines(3, 20)}\r\nHTTP/1.1 200 OK\r\n${lines(3, 20)}\r\n${large}`, pieceBytes),
    );
  });

  test(`a head of too many bytes or lines is not read to its end, in pieces of ${pieceBytes}`, () => {
    assert.ok(!passes(`HTTP/1.1 200 OK\r\n${lines(100, 800)}\r\n`, pieceBytes));
    assert.ok(!passes(`HTTP/1.1 200 OK\r\n${lines(400, 1)}\r\n`, pieceBytes));
    assert.ok(!passes(`HTTP/1.1 200 OK\r\nx: ${large}`, pieceBytes));
    assert.ok(!passes(`\r\n\r\nHTTP/1.1 200 OK\r\n${lines(400, 1)}\r\n`, pieceBytes));
    assert.ok(!passes('HTTP/1.1 100 Continue\r\n\r\n'.repeat(200), pieceBytes));
  });
}

test('framing and trailers without end are not read, a body of any length is', () => {
  const chunk = Buffer.from('t: x\r\n'.repeat(2_000));
  let exceeded = 0;
  const socket = { read: (): Buffer | null => chunk };
  const limit = new HeadLimit(socket as unknown as Socket, () => exceeded++);
  for (let i = 0; i < 100; i += 1) {
    assert.equal(socket.read(), chunk);
    limit.bodyArrived();
  }
  let pieces = 0;
  while (pieces < 100 && socket.read() !== null) pieces += 1;
  assert.ok(exceeded > 0 && pieces < 4);
  limit.awaitHead();
});

/** What a parser is given of `text` that arrives in pieces of these sizes. */
function read(text: string, sizes: readonly number[]): string {
  const pieces: Buffer[] = [];
  let at = 0;
  for (let i = 0; at < text.length; i += 1) {
    const size = sizes[i % sizes.length]!;
    pieces.push(Buffer.from(text.slice(at, at + size), 'latin1'));
    at += size;
  }
  const socket = { read: () => pieces.shift() ?? null };
  new HeadLimit(socket as unknown as Socket, () => {}).awaitHead();
  let given = '';
  for (let piece = socket.read(); piece !== null; piece = socket.read()) given += piece.toString('latin1');
  return given;
}

const CONTINUE = 'HTTP/1.1 100 Continue\r\nx: y\r\n\r\n';
const EARLY = 'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n';
const PLAIN = 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\na: b\r\n\r\n';
const TWICE = 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\na: b\r\nContent-Length: 5\r\n\r\n';
const DIFFERENT = 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\nContent-Length: 6\r\n\r\n';
const BODY = '\r\n\r\nHTTP/1.1 100 Continue\r\n\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\n';

test('heads are mended and nothing else is touched, however they arrive', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 20 }),
      fc.array(fc.constantFrom(CONTINUE, EARLY), { maxLength: 4 }),
      fc.constantFrom(PLAIN, TWICE, DIFFERENT),
      (sizes, interim, final) => {
        const mended = interim.filter((head) => head === EARLY).join('') + (final === TWICE ? PLAIN : final);
        assert.equal(read(interim.join('') + final + BODY, sizes), mended + BODY);
      },
    ),
  );
});

test('what is no HTTP is handed on at once, to be refused', () => {
  assert.equal(read('SSH-2.0-OpenSSH_9.2', [1]), 'SSH-2.0-OpenSSH_9.2');
  assert.equal(read('<html>', [2]), '<html>');
});
