import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { gunzipSync, inflateRawSync } from 'node:zlib';
import { sdist, sha256, wheel } from '../support/upstream/wheels.ts';

/** The members of a zip archive, read by its local headers: a second opinion on what archives.ts wrote. */
function members(archive: Buffer): Map<string, Buffer> {
  const found = new Map<string, Buffer>();
  for (let at = 0; archive.readUInt32LE(at) === 0x04034b50; ) {
    const [method, packed, nameLength] = [
      archive.readUInt16LE(at + 8),
      archive.readUInt32LE(at + 18),
      archive.readUInt16LE(at + 26),
    ];
    const start = at + 30 + nameLength;
    const data = archive.subarray(start, start + packed);
    found.set(archive.toString('utf8', at + 30, start), method === 0 ? data : inflateRawSync(data));
    at = start + packed;
  }
  return found;
}

describe('built wheels', () => {
  it('hold a RECORD with the hash and size of every member', () => {
    const built = wheel({ name: 'Foo.Bar', version: '1.0+cu1', requires: ['baz>1'], scripts: { foo: 'foo_bar:main' } });
    assert.equal(built.filename, 'foo_bar-1.0+cu1-py3-none-any.whl');
    const packed = members(built.bytes);
    const record = packed.get('foo_bar-1.0+cu1.dist-info/RECORD')!.toString();
    const expected = [...packed].map(([path, bytes]) =>
      path.endsWith('RECORD')
        ? `${path},,\n`
        : `${path},sha256=${createHash('sha256').update(bytes).digest('base64url')},${bytes.length}\n`,
    );
    assert.equal(record, expected.join(''));
    assert.deepEqual(packed.get('foo_bar-1.0+cu1.dist-info/METADATA'), built.metadata);
    assert.match(built.metadata.toString(), /^Name: Foo\.Bar\n/m);
    assert.match(built.metadata.toString(), /^Requires-Dist: baz>1\n/m);
    assert.equal(built.sha256, sha256(built.bytes));
  });

  it('are the same bytes for the same options and others for another version', () => {
    const options = { name: 'foo', version: '1', sizeBytes: 1000 };
    assert.equal(wheel(options).sha256, wheel(options).sha256);
    assert.notEqual(wheel(options).sha256, wheel({ ...options, version: '2' }).sha256);
    assert.equal(sdist(options).sha256, sdist(options).sha256);
  });

  it('grow to any size within moments', () => {
    const start = performance.now();
    const large = wheel({ name: 'large', version: '1', sizeBytes: 20_000_000 });
    assert.ok(large.bytes.length >= 20_000_000 && large.bytes.length < 20_010_000);
    assert.ok(performance.now() - start < 2000);
  });

  it('come as sdists that carry their own build backend', () => {
    const built = sdist({ name: 'foo', version: '1' });
    assert.equal(built.filename, 'foo-1.tar.gz');
    const tar = gunzipSync(built.bytes).toString('latin1');
    for (const path of ['PKG-INFO', 'pyproject.toml', 'backend/prebuilt.py'])
      assert.ok(tar.includes(`foo-1/${path}\0`));
    assert.ok(tar.includes('requires = []'));
  });
});
