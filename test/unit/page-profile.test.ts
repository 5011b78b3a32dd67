import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fieldValue } from '../../src/core/http-message.ts';
import { pageProfile } from '../../src/index/page-profile.ts';

const profile = pageProfile('page', {
  pageFreshMs: 60_000,
  negativeFreshMs: 30_000,
  staleIfErrorMs: Number.POSITIVE_INFINITY,
  patienceMs: 500,
  maxPageBytes: 1_000,
});

it('a status is content, missing, removed, or a failure', () => {
  const meanings = [200, 404, 410, 451, 204, 206, 301, 400, 401, 403, 429, 500, 503].map((status) =>
    profile.meaning(status),
  );
  const failures = Array<string>(9).fill('failure');
  assert.deepEqual(meanings, ['content', 'missing', 'missing', 'removed', ...failures]);
});

describe('the lifetime that is granted', () => {
  const granted = (status: number, ...fields: string[]) =>
    fieldValue(profile.grant({ status, fields }), 'cache-control');

  it("is the operator's, or upstream's where that is smaller and positive", () => {
    assert.equal(granted(200), 'max-age=60');
    const plays: Readonly<Record<string, number>> = {
      'max-age=600, public': 60,
      'max-age=20': 20,
      'public,max-age=20': 20,
      'MAX-AGE=20': 20,
      'max-age=20, s-maxage=40': 40,
      's-maxage=10, max-age=600': 10,
      'max-age=0': 60,
      'no-cache, no-store, must-revalidate, private': 60,
      'max-age="20"': 60,
      'max-age=99999999999999': 60,
      'x-max-age=5': 60,
    };
    for (const [control, seconds] of Object.entries(plays)) {
      for (const status of [200, 304])
        assert.equal(granted(status, 'cache-control', control), `max-age=${seconds}`, control);
    }
  });

  it('is the negative one for what is missing, whatever upstream says', () => {
    for (const status of [404, 410, 451]) {
      assert.equal(granted(status, 'cache-control', 'max-age=86400'), 'max-age=30');
    }
  });
});

it('of an answer only what is needed to understand it and to ask again is kept', () => {
  const fields = ['etag', '"a"', 'last-modified', 'x', 'content-type', 't', 'content-encoding', 'gzip'];
  const kept = [...fields, 'x-pypi-last-serial', '7'];
  const dropped = [
    'set-cookie',
    'a=b',
    'vary',
    '*',
    'expires',
    '0',
    'age',
    '100',
    'pragma',
    'no-cache',
    'date',
    'today',
  ];
  const granted = profile.grant({ status: 200, fields: [...dropped, ...kept] });
  assert.deepEqual([...granted].sort(), [...kept, 'cache-control', 'max-age=60'].sort());
});
