// Which project an upload is for is read on the way, however the body is cut into pieces.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { UploadForm } from '../../src/http/upload-form.ts';

const boundary = 'b0undary-1';
const TYPE = `multipart/form-data; boundary=${boundary}`;

interface Part {
  readonly disposition: string;
  readonly more?: string;
  readonly value: Buffer | string;
}

function body(parts: readonly Part[]): Buffer {
  const pieces = parts.flatMap(({ disposition, more = '', value }) => [
    Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; ${disposition}\r\n${more}\r\n`),
    Buffer.from(value as string),
    Buffer.from('\r\n'),
  ]);
  return Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)]);
}

function projects(bytes: Buffer, contentType: string | undefined = TYPE, cuts: readonly number[] = []): string[] {
  const form = new UploadForm(contentType);
  let start = 0;
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    form.read(bytes.subarray(start, cut));
    start = cut;
  }
  form.read(bytes.subarray(start));
  return [...form.projects].sort();
}

const field = (name: string, value: string): Part => ({ disposition: `name="${name}"`, value });
const file = (filename: string, value: Buffer): Part => ({
  disposition: `name="content"; filename="${filename}"`,
  more: 'Content-Type: application/octet-stream\r\n',
  value,
});

test('the field `name` and the name of the file say the project, wherever they stand', () => {
  const content = Buffer.alloc(300_000, '\r\n--b0undary-');
  const fields = [field(':action', 'file_upload'), field('name', 'Demo_Pkg'), field('metadata_version', '2.1')];
  assert.deepEqual(projects(body([...fields, file('demo_pkg-1.0.tar.gz', content)])), ['demo-pkg']);
  assert.deepEqual(projects(body([file('demo_pkg-1.0.tar.gz', content), ...fields])), ['demo-pkg']);
  assert.deepEqual(projects(body([file('demo_pkg-1.0-py3-none-any.whl', content)])), ['demo-pkg']);
  assert.deepEqual(projects(body([field('name', ' demo ')])), ['demo']);
  assert.deepEqual(projects(body([{ disposition: 'name=name', value: 'demo' }])), ['demo']);
  assert.deepEqual(
    projects(body([{ disposition: 'name="name"', more: 'Content-Type: text/plain\r\n', value: 'demo' }])),
    ['demo'],
  );
});

test('what is no name names no project', () => {
  for (const parts of [
    [field('name', '')],
    [field('name', '../etc')],
    [field('name', 'a'.repeat(100_000))],
    [field('summary', 'name'), field('names', 'demo'), field('x', '; name="name"\r\n\r\ndemo')],
    [],
  ]) {
    assert.deepEqual(projects(body(parts)), []);
  }
  for (const type of [undefined, 'application/json', 'multipart/form-data', `multipart/mixed; boundary=${boundary}`]) {
    if (type !== undefined) assert.deepEqual(projects(body([field('name', 'demo')]), type), [], type);
  }
  assert.deepEqual([...new UploadForm(undefined).projects], []);
});

test('a boundary may be quoted, and other parameters may stand around it', () => {
  const bytes = body([field('name', 'demo')]);
  for (const type of [
    `multipart/form-data; boundary="${boundary}"`,
    `Multipart/Form-Data;boundary=${boundary}`,
    `multipart/form-data; charset=utf-8; boundary=${boundary}`,
    `multipart/form-data; boundary=${boundary}; charset=utf-8`,
  ]) {
    assert.deepEqual(projects(bytes, type), ['demo'], type);
  }
});

test('however the body is cut, the same is read', () => {
  const junk = fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes));
  const near = fc.constantFrom('\r\n--b0undary', '\r\n', '--', '\r\n--b0undary-', '').map((text) => Buffer.from(text));
  const content = fc.array(fc.oneof(junk, near), { maxLength: 6 }).map((pieces) => Buffer.concat(pieces));
  fc.assert(
    fc.property(content, fc.boolean(), fc.array(fc.nat(2_000), { maxLength: 12 }), (bytes, first, cuts) => {
      const parts = [field(':action', 'file_upload'), field('name', 'demo')];
      const whole = body(first ? [file('other-1.0.zip', bytes), ...parts] : [...parts, file('other-1.0.zip', bytes)]);
      const within = cuts.filter((cut) => cut < whole.length);
      assert.deepEqual(projects(whole, TYPE, within), ['demo', 'other']);
      const everywhere = Array.from({ length: whole.length }, (_, at) => at);
      assert.deepEqual(projects(whole, TYPE, everywhere), ['demo', 'other']);
    }),
    { numRuns: 60 },
  );
});

test('whatever comes as a body, nothing is kept of it and nothing is thrown', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 500 }), { maxLength: 20 }), (chunks) => {
      const form = new UploadForm(TYPE);
      for (const chunk of chunks) form.read(Buffer.from(chunk));
      assert.ok(form.projects.size <= 4);
    }),
  );
  const started = performance.now();
  const form = new UploadForm(TYPE);
  form.read(Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="x"`));
  for (let i = 0; i < 20_000; i++) form.read(Buffer.alloc(1_000, 'a'));
  assert.ok(performance.now() - started < 2_000);
});
