// Every spelling of a project leads to one page, one cache entry and one upstream request; everything else that can
// stand in a URL is refused here and never sent upstream.

import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { fetchAll, get, sendRaw } from '../support/proxy/http-client.ts';
import { getPage, listed } from '../support/proxy/page-client.ts';
import { type RunningProxy, startProxy } from '../support/proxy/proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { wheel } from '../support/upstream/wheels.ts';

async function setting(test: Pick<TestContext, 'after'>) {
  const index = await FakeIndex.start();
  test.after(() => index.close());
  const proxy = await startProxy({ upstreams: [index.url] });
  test.after(() => proxy.close());
  return { index, proxy };
}

describe('the spellings of a name', () => {
  it('lead to the normal one by a relative redirect that keeps the query, without a question upstream', async (test) => {
    const { index, proxy } = await setting(test);
    const redirects: Readonly<Record<string, string>> = {
      '/simple': 'simple/',
      '/simple/foo': 'foo/',
      '/simple/Foo_.Bar': 'foo-bar/',
      '/simple/Foo_.Bar/': '../foo-bar/',
      '/simple/foo.bar/?format=x&y': '../foo-bar/?format=x&y',
      '/simple/f%6fo/': '../foo/',
      '/simple/FOO?a=1': 'foo/?a=1',
      '/default/simple': 'simple/',
      '/default/simple/Foo/': '../foo/',
    };
    for (const [path, location] of Object.entries(redirects)) {
      for (const method of ['GET', 'HEAD']) {
        const answer = await fetchAll(`${proxy.url}${path}`, { method });
        assert.equal(answer.status, 301, path);
        assert.equal(answer.field('location'), location);
      }
      assert.equal((await fetchAll(`${proxy.url}${path}`, { method: 'POST' })).status, 405);
    }
    assert.equal(index.requests(), 0);
  });

  it('share one entry and one upstream request', async (test) => {
    const { index, proxy } = await setting(test);
    index.add('foo-bar', wheel({ name: 'foo-bar', version: '1.0' }));
    const base = `${proxy.url}/simple/`;
    for (const spelling of ['foo.bar/', 'foo-bar/', 'FOO__bar', 'Foo-Bar/?x=1']) {
      let url = `${base}${spelling}`;
      let answer = await get(url);
      while (answer.status === 301) {
        url = new URL(answer.field('location')!, url).href;
        answer = await get(url);
      }
      assert.equal(answer.status, 200);
    }
    assert.equal(index.requests(), 1);
    assert.equal(index.requests('/simple/foo-bar/'), 1);
  });

  it('that look like files or routes are names like others', async (test) => {
    const { index, proxy } = await setting(test);
    const names = {
      'index.html': 'index-html',
      simple: 'simple',
      json: 'json',
      namespaces: 'namespaces',
      files: 'files',
    };
    for (const [name, normal] of Object.entries(names)) {
      index.add(name, wheel({ name, version: '1.0' }));
      assert.equal(listed(await getPage(proxy, normal)).length, 1, name);
    }
  });
});

describe('what is no name', () => {
  let index: FakeIndex;
  let proxy: RunningProxy;
  before(async () => {
    index = await FakeIndex.start();
    proxy = await startProxy({ upstreams: [index.url] });
  });
  after(async () => {
    await proxy.close();
    await index.close();
  });

  /** The first line's status, over a connection that no client library tidies up. */
  async function rawStatus(request: string): Promise<number> {
    const answer = await sendRaw(proxy.url, request);
    return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0);
  }
  const target = (path: string) => rawStatus(`GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`);

  it('is 400 or 404, and nothing is sent upstream', async () => {
    const targets = [
      '/simple/../',
      '/simple/./',
      '/simple//foo/',
      '//simple/foo/',
      '/simple/./foo/',
      '/simple/foo//',
      '/simple/foo/bar/',
      '/simple/../simple/foo/',
      '/simple/%2e%2e/',
      '/simple/%2e%2e%2f%2e%2e%2fetc/',
      '/simple/foo%2fbar/',
      '/simple/foo%5cbar/',
      '/simple/foo%00/',
      '/simple/foo%0d%0abar/',
      '/simple/%E4%BD%A0/',
      '/simple/%zz/',
      '/simple/%/',
      '/simple/-foo/',
      '/simple/foo-/',
      '/simple/_/',
      '/simple/foo bar/',
      '/simple/foo\\bar/',
      `/simple/${'a'.repeat(201)}/`,
      `/simple/${'a'.repeat(20_000)}/`,
      `/simple/foo/?${'a'.repeat(20_000)}`,
      '/files/https/files.example/../../etc/passwd',
      '/files/https/files.example/%2e%2e/%2e%2e/etc/passwd',
      '/files/ftp/files.example/foo-1.0.whl',
      '/raw/../simple/foo/',
      '/nothing',
      'foo',
      '*',
      'http://',
      'ftp://host/simple/foo/',
    ];
    for (const path of targets) {
      const status = await target(path);
      assert.ok(status === 400 || status === 404, `${path.slice(0, 60)}: ${status}`);
    }
    assert.ok([400, 431].includes(await target(`/simple/${'a'.repeat(64_000)}/`)));
    assert.equal(index.requests(), 0);
  });

  it('is refused when a GET has a body, or the head is malformed, and the process lives', async () => {
    const requests = [
      'GET /simple/foo/ HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\n\r\nabc',
      'GET /simple/foo/ HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      'GET /simple/foo/ HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      'GET /simple/foo/ HTTP/1.1\r\nhost : x\r\n\r\n',
      'GET /simple/foo/ HTTP/1.1\r\n\r\n',
      'GET /simple/\u0000foo/ HTTP/1.1\r\nhost: localhost\r\n\r\n',
      'NONSENSE\r\n\r\n',
    ];
    for (const request of requests) assert.equal(await rawStatus(request), 400, JSON.stringify(request));
    assert.equal(index.requests(), 0);
    assert.equal((await get(`${proxy.url}/-/live`)).status, 200);
  });

  it('is 405 with what is allowed for methods that do not read; uploads and XML-RPC are 403 with the reason', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      for (const path of ['/simple/', '/simple/foo/', '/files/https/files.example/foo-1.0.whl', '/metrics']) {
        const answer = await fetchAll(`${proxy.url}${path}`, { method });
        assert.equal(answer.status, 405, `${method} ${path}`);
        assert.equal(answer.field('allow'), 'GET, HEAD');
      }
    }
    for (const [path, option] of Object.entries({ '/legacy/': 'uploads', '/pypi': 'xml_rpc', '/RPC2': 'xml_rpc' })) {
      const answer = await fetchAll(`${proxy.url}${path}`, { method: 'POST', body: 'x' });
      assert.equal(answer.status, 403, path);
      assert.match(answer.text(), new RegExp(`option ${option} is off`));
    }
    assert.equal(index.requests(), 0);
  });

  it('is not the absolute form, which goes by its path; its host is ignored', async () => {
    index.add('foo', wheel({ name: 'foo', version: '1.0' }));
    for (const form of ['http://other.example/simple/foo/', 'HTTPS://u:p@other.example:99/simple/foo/?x']) {
      assert.equal(await target(form), 200, form);
    }
    assert.equal(await target('http://other.example'), 200);
    assert.equal(index.requests(), 1);
  });
});

it('an upload is forwarded where the operator allows it', async (test) => {
  const index = await FakeIndex.start();
  test.after(() => index.close());
  const proxy = await startProxy({ upstreams: [index.url], config: { uploads: true } });
  test.after(() => proxy.close());
  const answer = await fetchAll(`${proxy.url}/legacy/`, { method: 'POST', body: 'a package' });
  // The fake index takes no uploads, and says so itself.
  assert.equal(answer.status, 405);
  assert.equal(index.log.entries.at(-1)!.path, '/legacy/');
  assert.equal(answer.field('cache-status'), 'wheelkeep; fwd=method');
});
