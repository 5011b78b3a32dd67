// Files whose names can be read in more than one way, asked for by a client that has read no page here: they are found,
// and a name that is bound to an index, in whatever reading, is heard of by no other.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { get } from '../support/proxy/http-client.ts';
import { getPage } from '../support/proxy/page-client.ts';
import { severalIndexes } from '../support/proxy/several-indexes.ts';
import type { FakeIndex } from '../support/upstream/fake-index.ts';
import { status } from '../support/upstream/faults.ts';
import { type Distribution, sdist, wheel } from '../support/upstream/wheels.ts';

function named(distribution: Distribution, filename: string): Distribution {
  return { ...distribution, filename };
}

function fileUrl(base: string, index: FakeIndex, file: Distribution): string {
  return `${base}/files/http/${new URL(index.url).host}${index.pathOf(file)}`;
}

/** The projects whose pages an index was asked for. */
function asked(index: FakeIndex): string[] {
  return index.log.entries.flatMap(({ path }) => /^\/simple\/([^/]+)\/$/.exec(path)?.[1] ?? []);
}

const NAMES: readonly (readonly [project: string, filename: string])[] = [
  ['cffi', 'cffi-1.0.2-2.tar.gz'],
  ['demo', 'demo-1.0-1-2.zip'],
  ['demo-pkg', 'demo-pkg-v1.0-3.tar.gz'],
  ['demo', 'demo-2021-03-04.tar.gz'],
  ['demo-3d', 'demo-3d-1.0.tar.gz'],
  ['demo-pkg', 'demo-pkg-1.0-py3-none-any.whl'],
  ['demo', 'demo-1.0-2-py3-none-any.whl'],
  ['demo', 'demo-one-two.zip'],
];

describe('a file that is asked for before any page', { concurrency: true }, () => {
  for (const [project, filename] of NAMES) {
    it(`${filename} is found on the page of ${project}`, async (t) => {
      const { proxy, upstream } = await severalIndexes(t, { public: {} });
      const make = filename.endsWith('.whl') ? wheel : sdist;
      const file = named(make({ name: project, version: '1.0' }), filename);
      upstream('public').add(project, file);
      assert.equal((await get(fileUrl(proxy.url, upstream('public'), file))).sha256, file.sha256);
    });

    it(`${filename} of a bound project is asked for at its index alone, listed or not, up or down`, async (t) => {
      const routes = [{ names: [project], index: 'internal' }];
      const { proxy, upstream, clock } = await severalIndexes(t, { public: {}, internal: {} }, { routes });
      const [open, internal] = [upstream('public'), upstream('internal')];
      const file = named(sdist({ name: project, version: '1.0' }), filename);
      internal.add(project, named(sdist({ name: project, version: '0.1' }), 'other.zip'));
      assert.equal((await get(fileUrl(proxy.url, internal, file))).status, 404);
      assert.equal((await get(fileUrl(`${proxy.url}/public`, internal, file))).status, 404);
      clock.advance(61_000);
      internal.fault(/^\/simple\//, status(500));
      assert.ok((await get(fileUrl(proxy.url, internal, file))).status >= 500);
      assert.deepEqual(asked(open), [], 'the public index heard of it');
    });
  }

  it('that no reading finds is 404, after a few pages were asked for', async (t) => {
    const { proxy, upstream } = await severalIndexes(t, { public: {} });
    const file = named(sdist({ name: 'demo', version: '1.0' }), 'demo-1-2-3-4-5-6-7-8-9.tar.gz');
    const answer = await get(fileUrl(proxy.url, upstream('public'), file));
    assert.equal(answer.status, 404);
    assert.match(answer.text(), /file-not-listed/);
    assert.ok(new Set(asked(upstream('public'))).size <= 4);
  });

  it('is no 404 while the page of one reading cannot be had', async (t) => {
    const { proxy, upstream } = await severalIndexes(t, { public: {} });
    const file = named(sdist({ name: 'cffi', version: '1.0' }), 'cffi-1.0.2-2.tar.gz');
    upstream('public').fault('/simple/cffi/', status(500));
    assert.equal((await get(fileUrl(proxy.url, upstream('public'), file))).status, 502);
  });
});

it('where the page is held, only it is asked about, whatever else is bound', async (t) => {
  const routes = [{ names: ['demo'], index: 'internal' }];
  const { proxy, upstream } = await severalIndexes(t, { public: {}, internal: {} }, { routes });
  const file = named(sdist({ name: 'demo-3d', version: '1.0' }), 'demo-3d-1.0.tar.gz');
  upstream('public').add('demo-3d', file);
  assert.equal((await getPage(proxy, 'demo-3d')).status, 200);
  assert.equal((await get(fileUrl(proxy.url, upstream('public'), file))).sha256, file.sha256);
  assert.deepEqual(asked(upstream('internal')), []);
});
