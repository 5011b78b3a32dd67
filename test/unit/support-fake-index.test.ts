import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { describe, it, type TestContext } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { fetchAll, get } from '../support/proxy/http-client.ts';
import { certificateAuthority } from '../support/upstream/certificates.ts';
import { FakeIndex, type FakeIndexOptions } from '../support/upstream/fake-index.ts';
import { status } from '../support/upstream/faults.ts';
import { wheel } from '../support/upstream/wheels.ts';

const JSON_TYPE = 'application/vnd.pypi.simple.v1+json';

async function started(test: TestContext, options: FakeIndexOptions = {}): Promise<FakeIndex> {
  const index = await FakeIndex.start(options);
  test.after(() => index.close());
  return index;
}

const foo = wheel({ name: 'foo', version: '1.0', requiresPython: '>=3.8,<4' });

interface Page {
  readonly files: readonly { readonly url: string; readonly yanked: unknown; readonly hashes: { sha256: string } }[];
  readonly 'project-status'?: { readonly status: string };
}

describe('the fake index', () => {
  it('serves a project as JSON or HTML, as the q values ask', async (test) => {
    const index = await started(test);
    index.add('Foo', foo);
    const url = `${index.url}foo/`;
    const json = await get(url, { accept: `${JSON_TYPE}, text/html;q=0.1` });
    assert.equal(json.field('content-type'), JSON_TYPE);
    assert.equal((json.json() as Page).files[0]!.hashes.sha256, foo.sha256);
    const html = await get(url, { accept: `${JSON_TYPE};q=0.1, text/html` });
    assert.equal(html.field('content-type'), 'text/html; charset=utf-8');
    assert.match(html.text(), /data-requires-python="&#62;=3.8,&#60;4"/);
    assert.equal((await get(url)).field('content-type'), 'text/html; charset=utf-8');
    assert.equal((await get(url, { accept: 'image/png' })).status, 406);
  });

  it('can be a product that ignores Accept or knows one format only', async (test) => {
    const stubborn = await started(test, { formats: 'ignores-accept' });
    const modern = await started(test, { formats: 'json-only' });
    for (const index of [stubborn, modern]) index.add('foo', foo);
    assert.match((await get(`${stubborn.url}foo/`, { accept: JSON_TYPE })).field('content-type')!, /^text\/html/);
    assert.equal((await get(`${modern.url}foo/`, { accept: '*/*' })).field('content-type'), JSON_TYPE);
    assert.equal((await get(`${modern.url}foo/`, { accept: 'text/html' })).status, 406);
  });

  it('answers 304 to its validators until the project changes', async (test) => {
    const index = await started(test);
    index.add('foo', foo);
    const etag = (await get(`${index.url}foo/`)).field('etag')!;
    const again = await get(`${index.url}foo/`, { 'if-none-match': etag });
    assert.equal(again.status, 304);
    assert.equal(again.field('etag'), etag);
    index.yank('foo', foo.filename, 'broken');
    const changed = await get(`${index.url}foo/`, { 'if-none-match': etag, accept: JSON_TYPE });
    assert.equal(changed.status, 200);
    assert.equal((changed.json() as Page).files[0]!.yanked, 'broken');
    assert.equal(changed.field('x-pypi-last-serial'), String(index.serialOf('foo')));
  });

  it('sends gzip only to those who ask, with an ETag of its own', async (test) => {
    const index = await started(test);
    index.add('foo', foo);
    const plain = await get(`${index.url}foo/`);
    const zipped = await get(`${index.url}foo/`, { 'accept-encoding': 'gzip' });
    assert.deepEqual(gunzipSync(zipped.body), plain.body);
    assert.notEqual(zipped.field('etag'), plain.field('etag'));
  });

  it('serves files from the page links, in ranges, and never a 304 for them', async (test) => {
    const index = await started(test, { separateFiles: true });
    index.add('foo', foo);
    const page = (await get(`${index.url}foo/`, { accept: JSON_TYPE })).json() as Page;
    const url = new URL(page.files[0]!.url, `${index.url}foo/`).href;
    assert.equal(new URL(url).origin, index.files.origin);
    const whole = await get(url);
    assert.deepEqual(whole.body, foo.bytes);
    assert.deepEqual((await get(`${url}.metadata`)).body, foo.metadata);
    const part = await get(url, { range: 'bytes=10-19', 'if-range': whole.field('etag')! });
    assert.equal(part.status, 206);
    assert.equal(part.field('content-range'), `bytes 10-19/${foo.bytes.length}`);
    assert.deepEqual(part.body, foo.bytes.subarray(10, 20));
    assert.deepEqual((await get(url, { range: 'bytes=-5' })).body, foo.bytes.subarray(-5));
    assert.equal((await get(url, { range: 'bytes=10-19', 'if-range': '"other"' })).status, 200);
    assert.equal((await get(url, { range: `bytes=${foo.bytes.length}-` })).status, 416);
    assert.equal((await get(url, { 'if-none-match': whole.field('etag')! })).status, 200);
    assert.equal(index.fileRequests, index.requests(/^\/packages\//));
  });

  it('redirects names that are not normalized and knows no project that was never added or was removed', async (test) => {
    const index = await started(test);
    index.add('Foo.Bar', foo);
    for (const name of ['Foo.Bar/', 'foo-bar', 'foo__bar/']) {
      const answer = await get(index.url + name);
      assert.deepEqual([answer.status, answer.field('location')], [301, '/simple/foo-bar/']);
    }
    index.remove('foo.bar');
    assert.equal((await get(`${index.url}foo-bar/`)).status, 404);
    assert.equal((await get(`${index.url}nothing/`)).status, 404);
  });

  it('shows a quarantined project without files and not in the list', async (test) => {
    const index = await started(test);
    index.add('foo', foo);
    index.add('bar', wheel({ name: 'bar', version: '1' }));
    index.setStatus('foo', 'quarantined');
    const page = (await get(`${index.url}foo/`, { accept: JSON_TYPE })).json() as Page;
    assert.deepEqual([page['project-status'], page.files], [{ status: 'quarantined' }, []]);
    const list = (await get(index.url, { accept: JSON_TYPE })).json() as { projects: { name: string }[] };
    assert.deepEqual(
      list.projects.map(({ name }) => name),
      ['bar'],
    );
  });

  it('refuses connections while it is down and comes back on the same port', async (test) => {
    const index = await started(test, { separateFiles: true });
    index.add('foo', foo);
    const agent = new Agent({ keepAlive: true });
    test.after(() => agent.destroy());
    await fetchAll(`${index.url}foo/`, { agent });
    await index.down();
    assert.equal(index.openConnections, 0);
    await assert.rejects(get(`${index.url}foo/`), { code: 'ECONNREFUSED' });
    await index.up();
    assert.equal((await get(`${index.url}foo/`)).status, 200);
  });

  it('logs what it was asked and lets tests wait for it', async (test) => {
    const index = await started(test);
    const waiting = index.waitFor(({ log }) => log.count('/simple/foo/') === 2);
    await get(`${index.url}foo/`, { 'user-agent': 'test' });
    await get(`${index.url}foo/?query=1`);
    await waiting;
    const [first] = index.log.entries;
    assert.deepEqual([first!.method, first!.path, first!.address], ['GET', '/simple/foo/', '127.0.0.1']);
    assert.equal(first!.fields[first!.fields.indexOf('user-agent') + 1], 'test');
    await assert.rejects(
      index.waitFor(() => false, 10),
      /did not hold within 10 ms; asked until then:\n {2}GET \/simple\/foo\//,
    );
  });

  it('listens on several addresses that fail one by one', async (test) => {
    const index = await started(test, { addresses: ['127.0.0.1', '127.0.0.2'] });
    index.add('foo', foo);
    index.fault(/^/, status(502), { address: '127.0.0.2' });
    assert.equal((await get(`${index.url}foo/`)).status, 200);
    assert.equal((await get(`${index.url.replace('127.0.0.1', '127.0.0.2')}foo/`)).status, 502);
  });

  it('speaks TLS under a certificate that is right, expired, for another name, or of an unknown authority', async (test) => {
    const authority = certificateAuthority();
    const right = await started(test, { tls: authority.issue(['127.0.0.1']) });
    right.add('foo', foo);
    const options = { ca: authority.cert };
    assert.equal((await fetchAll(`${right.url}foo/`, options)).status, 200);
    await assert.rejects(fetchAll(right.url, { ca: certificateAuthority().cert }), {
      code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    });
    const past = await started(test, {
      tls: authority.issue(['127.0.0.1'], { notAfter: new Date(Date.now() - 1000) }),
    });
    await assert.rejects(fetchAll(past.url, options), { code: 'CERT_HAS_EXPIRED' });
    const other = await started(test, { tls: authority.issue(['index.example']) });
    await assert.rejects(fetchAll(other.url, options), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
  });
});
