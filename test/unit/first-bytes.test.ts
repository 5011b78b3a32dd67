// What cannot be the file that was asked for is told by its first bytes.

import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { UpstreamFailure } from '../../src/core/errors.ts';
import { canBe, requirePossible } from '../../src/files/first-bytes.ts';
import { sdist, wheel } from '../support/upstream/wheels.ts';

const demo = wheel({ name: 'demo', version: '1.0' });
const source = sdist({ name: 'demo', version: '1.0' });
const HTML = Buffer.from('<!DOCTYPE html><html><form action="/login"></form></html>');
const JSON_ERROR = Buffer.from('{"errors":[{"status":401,"message":"sign in"}]}');

test('wheels, source distributions, their metadata and signatures are recognised, whatever type they are sent as', () => {
  const tar = Buffer.alloc(1024);
  tar.write('demo-1.0/PKG-INFO');
  tar.write('ustar', 257);
  for (const [filename, bytes] of [
    [demo.filename, demo.bytes],
    ['demo-1.0.zip', demo.bytes],
    ['demo-1.0-py3.8.egg', demo.bytes],
    [source.filename, source.bytes],
    ['demo-1.0.tgz', gzipSync('x')],
    ['demo-1.0.tar', tar],
    ['demo-1.0.tar.bz2', Buffer.from('BZh91AY')],
    ['demo-1.0.tar.xz', Buffer.from('\xfd7zXZ\0', 'latin1')],
    ['demo-1.0.tar.zst', Buffer.from('\x28\xb5\x2f\xfd', 'latin1')],
    ['demo-1.0.win32.exe', Buffer.from('MZ')],
    [`${demo.filename}.metadata`, demo.metadata],
    [`${demo.filename}.metadata`, Buffer.from('Name: demo\nMetadata-Version: 2.1\n')],
    [`${demo.filename}.asc`, Buffer.from('-----BEGIN PGP SIGNATURE-----')],
    ['demo-1.0.deb', Buffer.from('!<arch>\n')],
  ] as const) {
    for (const type of [undefined, 'application/octet-stream', 'text/plain', 'text/html']) {
      assert.equal(
        canBe(filename, bytes, /(?:deb|asc)$/.test(filename) && type === 'text/html' ? undefined : type),
        true,
        filename,
      );
    }
  }
});

test('a login page, an error document, an empty body and another kind of file are none of them', () => {
  for (const filename of [
    demo.filename,
    source.filename,
    'demo-1.0.zip',
    'demo-1.0.tar',
    'demo-1.0.tar.bz2',
    `${demo.filename}.metadata`,
    `${demo.filename}.asc`,
    'demo-1.0.deb',
  ]) {
    for (const type of ['text/html; charset=utf-8', 'TEXT/HTML', undefined]) {
      assert.equal(canBe(filename, HTML, type), false, filename);
    }
    assert.equal(canBe(filename, JSON_ERROR, 'application/json'), false, filename);
    assert.equal(canBe(filename, Buffer.alloc(0), 'application/octet-stream'), false, filename);
  }
  assert.equal(canBe(demo.filename, source.bytes, undefined), false);
  assert.equal(canBe(source.filename, demo.bytes, undefined), false);
});

const response = (pieces: Iterable<Buffer> | AsyncIterable<Buffer>) => ({
  status: 200,
  fields: [],
  url: 'https://files.example/demo.whl',
  source: 'test',
  requestTime: 0,
  responseTime: 0,
  body: Readable.from(pieces, { objectMode: false }),
});

test('a possible body is handed on whole, in whatever pieces it comes, and its failure with it', async () => {
  for (const size of [1, 2, 100, 511, 512, 1 << 20]) {
    const pieces: Buffer[] = [];
    for (let at = 0; at < demo.bytes.length; at += size) pieces.push(demo.bytes.subarray(at, at + size));
    const { body } = await requirePossible(response(pieces), demo.filename);
    assert.ok(Buffer.concat(await body.toArray()).equals(demo.bytes), `${size}`);
  }
  const cut = async function* () {
    yield demo.bytes.subarray(0, 600);
    throw new UpstreamFailure('reset', 'cut');
  };
  const { body } = await requirePossible(response(cut()), demo.filename);
  await assert.rejects(body.toArray(), { kind: 'reset' });
});

test('an impossible body is refused, and given up', async () => {
  for (const pieces of [[HTML], []]) {
    const answer = response(pieces);
    await assert.rejects(requirePossible(answer, demo.filename), { kind: 'invalid-body' });
    assert.equal(answer.body.destroyed, true);
  }
});
