// An index that redirects to a login what it does not have, or does not show: `missing_redirects: true` reads that as "not
// here"; without it the error says which options there are.

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { getPage, until } from '../support/proxy/page-client.ts';
import { severalIndexes } from '../support/proxy/several-indexes.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { redirect } from '../support/upstream/faults.ts';
import { wheel } from '../support/upstream/wheels.ts';

async function world(test: TestContext, missingRedirects: boolean) {
  const login = await FakeIndex.start();
  test.after(() => login.close());
  const { proxy, upstream, clock } = await severalIndexes(test, {
    private: { config: { missingRedirects } },
    public: {},
  });
  const { origin } = new URL(login.url);
  upstream('public').add('demo', wheel({ name: 'demo', version: '1.0' }));
  upstream('private').add('ours', wheel({ name: 'ours', version: '1.0' }));
  const send = (location: string, code = 302) =>
    upstream('private').fault(/^\/simple\/(?!ours)/, redirect(location, code));
  return { login, origin, proxy, upstream, clock, send };
}

describe('an index that redirects to another origin what it lacks', { concurrency: true }, () => {
  for (const code of [301, 302, 303, 307, 308]) {
    it(`by ${code} lets the next index answer where the operator says so`, async (test) => {
      const { login, origin, proxy, send } = await world(test, true);
      send(`${origin}/login?next=x`, code);
      assert.equal((await getPage(proxy, 'demo')).status, 200);
      assert.equal((await getPage(proxy, 'nothing')).status, 404);
      assert.equal((await getPage(proxy, 'ours')).status, 200);
      assert.equal(login.requests(), 0, 'the login was asked');
    });
  }

  it('to another host too, and by https', async (test) => {
    const { proxy, send } = await world(test, true);
    send('https://login.example/');
    assert.equal((await getPage(proxy, 'demo')).status, 200);
  });

  it('is an error that names both options otherwise, never a 404', async (test) => {
    const { proxy, send } = await world(test, false);
    send('https://login.example/start?token=secret');
    const answer = await getPage(proxy, 'demo');
    assert.equal(answer.status, 502);
    assert.match(answer.text(), /login\.example/);
    assert.match(answer.text(), /missing_redirects: true/);
    assert.match(answer.text(), /page_origins: \[https:\/\/login\.example\]/);
    assert.doesNotMatch(answer.text(), /secret/);
  });

  it('may redirect within itself all the same', async (test) => {
    const { proxy, upstream } = await world(test, true);
    upstream('private').fault('/simple/old/', redirect('/simple/ours/'));
    upstream('private').fault('/simple/loop/', redirect('/simple/loop/'));
    assert.equal((await getPage(proxy, 'loop')).status, 502);
    assert.notEqual((await getPage(proxy, 'old')).status, 404);
  });

  it('does not take a held project away at once: a redirect is confirmed as any other "not here"', async (test) => {
    const { origin, proxy, upstream, clock } = await world(test, true);
    assert.equal((await getPage(proxy, 'ours')).status, 200);
    upstream('private').fault('/simple/ours/', redirect(`${origin}/login`));
    clock.advance(61_000);
    await until(
      () => getPage(proxy, 'ours'),
      (page) => page.status === 200 && page.field('x-wheelkeep-stale') === 'unconfirmed',
    );
  });
});
