import assert from 'node:assert/strict';
import { test } from 'node:test';
import { provenanceLink, provenancePlace } from '../../src/pages/provenance.ts';

const ROOT = 'https://wheels.example/main/';

test('a provenance URL names project, version and file, in whatever spelling', () => {
  assert.deepEqual(
    provenancePlace('https://index.example/x/integrity/Foo.Bar/1.0%2Bcu1/foo_bar-1.0%2Bcu1.zip/provenance'),
    {
      path: 'integrity/Foo.Bar/1.0%2Bcu1/foo_bar-1.0%2Bcu1.zip/provenance',
      project: 'foo-bar',
      version: '1.0+cu1',
      filename: 'foo_bar-1.0+cu1.zip',
    },
  );
});

test('a URL of another shape is none of ours and stays as it is', () => {
  for (const url of [
    'https://index.example/provenance',
    'https://index.example/integrity/foo/1.0/provenance',
    'https://index.example/integrity/foo/1.0/foo-1.0.zip/provenance?x=1',
    'https://index.example/integrity/-foo/1.0/foo-1.0.zip/provenance',
    'https://index.example/integrity/foo/%zz/foo-1.0.zip/provenance',
  ]) {
    assert.equal(provenancePlace(url), undefined, url);
    assert.equal(provenanceLink(url, ROOT), url);
  }
});

test('links go below our root where there is one', () => {
  const url = 'https://index.example/integrity/foo/1.0/foo-1.0.zip/provenance';
  assert.equal(provenanceLink(url, ROOT), `${ROOT}integrity/foo/1.0/foo-1.0.zip/provenance`);
  assert.equal(provenanceLink(url, undefined), url);
});
