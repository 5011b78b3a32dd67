// What upstream says of a project comes through, known to us or not: only the places of the files are ours.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { getPage, JSON_TYPE } from '../support/proxy/page-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { status } from '../support/upstream/faults.ts';
import { richPage } from '../support/upstream/rich-page.ts';

test('a page with every known key and unknown ones comes back character for character, but for its file URLs', async (t) => {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const base = 'https://files.example/packages/ab/cd/';
  const { project, text } = richPage(base);
  index.fault(`/simple/${project}/`, status(200, ['content-type', JSON_TYPE], text));
  const proxy = await startProxy({ upstreams: [index.url] });
  t.after(() => proxy.close());
  for (const round of ['cold', 'hot']) {
    const answer = await getPage(proxy, project);
    const ours = answer.text().replaceAll('"../../files/https/files.example/packages/ab/cd/', `"${base}`);
    assert.equal(ours, text, round);
    assert.deepEqual(JSON.parse(ours), JSON.parse(text));
  }
  assert.equal(text.match(/"url":/g)?.length, 7);
  assert.equal((await getPage(proxy, project)).text().includes(base), false);
});
