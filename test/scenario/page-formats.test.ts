// One page in the format and coding that each client can read, with validators that hold (protocol.md section 6, cases
// 7-15, 38, 39, 41).

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { FakeClock } from '../support/clock/clock.ts';
import { type ClientResponse, fetchAll, get } from '../support/proxy/http-client.ts';
import { getPage, JSON_TYPE, listed } from '../support/proxy/page-client.ts';
import { type RunningProxy, startProxy } from '../support/proxy/proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import type { Fault } from '../support/upstream/fault-plan.ts';
import { contentType, redirect, status } from '../support/upstream/faults.ts';
import { wheel } from '../support/upstream/wheels.ts';

const V1_HTML = 'application/vnd.pypi.simple.v1+html';
const HTML = 'text/html; charset=utf-8';
const PIP = `${JSON_TYPE}, ${V1_HTML}; q=0.1, text/html; q=0.01`;
const UV = `${JSON_TYPE}, ${V1_HTML};q=0.2, text/html;q=0.01`;

function text(answer: ClientResponse): string {
  const coding = answer.field('content-encoding');
  if (coding === 'gzip') return gunzipSync(answer.body).toString();
  return coding === 'zstd' ? zstdDecompressSync(answer.body).toString() : answer.text();
}

describe('a page', () => {
  let index: FakeIndex;
  let proxy: RunningProxy;
  const clock = new FakeClock();
  before(async () => {
    index = await FakeIndex.start();
    for (let i = 0; i < 20; i += 1) index.add('foo', wheel({ name: 'foo', version: `1.${i}` }));
    proxy = await startProxy({ upstreams: [index.url], now: clock.now });
  });
  after(async () => {
    await proxy.close();
    await index.close();
  });
  const ask = (fields: Readonly<Record<string, string>>, path = '/simple/foo/') => get(`${proxy.url}${path}`, fields);

  it('comes in the format that the client prefers, text/html for who says nothing that we know', async () => {
    const plays: readonly (readonly [string | undefined, string])[] = [
      [undefined, HTML],
      ['*/*', HTML],
      ['text/*', HTML],
      ['complete nonsense;;;', HTML],
      ['image/png', HTML],
      [`${JSON_TYPE};q=0, text/html`, HTML],
      ['application/*', JSON_TYPE],
      ['application/vnd.pypi.simple.latest+json', JSON_TYPE],
      ['application/vnd.pypi.simple.latest+html', V1_HTML],
      [V1_HTML, V1_HTML],
      [PIP, JSON_TYPE],
      [UV, JSON_TYPE],
      [`${JSON_TYPE}, */*;q=0.1`, JSON_TYPE],
    ];
    for (const [accept, type] of plays) {
      for (const path of ['/simple/foo/', '/simple/']) {
        const answer = await ask(accept === undefined ? {} : { accept }, path);
        assert.equal(answer.status, 200);
        assert.equal(answer.field('content-type'), type, `${path} ${accept}`);
        assert.equal(answer.field('vary'), 'Accept, Accept-Encoding');
      }
    }
  });

  it('is 406 with the list of formats, in strict mode, for who accepts none of them', async (t) => {
    const strict = await startProxy({ upstreams: [index.url], config: { strictAccept: true } });
    t.after(() => strict.close());
    for (const path of ['/simple/foo/', '/simple/', '/default/simple/foo/']) {
      for (const method of ['GET', 'HEAD']) {
        const refused = await fetchAll(`${strict.url}${path}`, {
          method,
          fields: { accept: 'image/png, text/html;q=0' },
        });
        assert.equal(refused.status, 406, path);
        assert.equal(refused.field('cache-control'), 'no-store');
        if (method === 'GET') for (const type of [JSON_TYPE, V1_HTML, HTML]) assert.ok(refused.text().includes(type));
      }
      assert.equal((await get(`${strict.url}${path}`)).field('content-type'), HTML);
      const chosen = await get(`${strict.url}${path}?format=${JSON_TYPE}`, { accept: 'image/png' });
      assert.equal(chosen.field('content-type'), JSON_TYPE);
    }
  });

  it('comes in the format of the query, which wins; unknown formats and other keys count for nothing', async () => {
    const before = index.requests();
    for (const format of [JSON_TYPE, encodeURIComponent(JSON_TYPE)]) {
      const answer = await ask({ accept: 'text/html' }, `/simple/foo/?x=1&format=${format}`);
      assert.equal(answer.field('content-type'), JSON_TYPE);
    }
    assert.equal((await ask({ accept: JSON_TYPE }, '/simple/foo/?format=yaml')).field('content-type'), JSON_TYPE);
    assert.equal(index.requests(), before, 'a query made another cache entry');
  });

  it('is gzip or zstd for who takes it, and one snapshot whatever the form', async () => {
    const plain = await ask({ accept: JSON_TYPE });
    const plays: readonly (readonly [string, string | undefined])[] = [
      ['gzip, deflate', 'gzip'],
      ['gzip, deflate, br, zstd', 'zstd'],
      ['gzip;q=0, br', undefined],
      ['br', undefined],
      ['identity', undefined],
      ['gzip, identity;q=0', 'gzip'],
      ['zstd;q=0.5, gzip', 'gzip'],
    ];
    for (const [accepted, coding] of plays) {
      const answer = await ask({ accept: JSON_TYPE, 'accept-encoding': accepted });
      assert.equal(answer.field('content-encoding'), coding, accepted);
      assert.equal(text(answer), plain.text());
      assert.equal(answer.field('content-length'), String(answer.sizeBytes));
    }
    const html = (await ask({ accept: 'text/html' })).text();
    const serial = index.serialOf('foo');
    assert.equal((plain.json() as { meta: { '_last-serial': number } }).meta['_last-serial'], serial);
    assert.match(html, new RegExp(`<!--SERIAL ${serial}-->`));
    assert.deepEqual(
      [...html.matchAll(/>(foo-[^<]+)<\/a>/g)].map(([, name]) => name),
      listed(plain),
    );
  });

  it('has a strong tag of its own in each form, and none that two forms share', async () => {
    const tags = new Set<string>();
    for (const accept of [JSON_TYPE, V1_HTML, 'text/html']) {
      for (const accepted of ['identity', 'gzip', 'zstd']) {
        const tag = (await ask({ accept, 'accept-encoding': accepted })).field('etag');
        assert.match(tag ?? '', /^"[\w-]+"$/);
        tags.add(tag!);
      }
    }
    assert.equal(tags.size, 9);
  });

  it('is 304 for who has it, alone, in a list, weakly, by star; during an outage too', async () => {
    const full = await ask({ accept: JSON_TYPE });
    const tag = full.field('etag')!;
    const play = async () => {
      for (const known of [tag, `"other", ${tag}`, `W/${tag}`, `"a,b",W/${tag} , "c"`, '*']) {
        const answer = await ask({ accept: JSON_TYPE, 'if-none-match': known });
        assert.equal(answer.status, 304, known);
        assert.equal(answer.sizeBytes, 0);
        for (const name of ['etag', 'vary']) assert.equal(answer.field(name), full.field(name));
        assert.match(answer.field('cache-control') ?? '', /^public, max-age=/);
      }
      for (const known of ['"other"', tag.slice(1, -1), '', '""']) {
        assert.equal((await ask({ accept: JSON_TYPE, 'if-none-match': known })).status, 200, known);
      }
      // Another form's tag is another page's.
      assert.equal((await ask({ accept: 'text/html', 'if-none-match': tag })).status, 200);
    };
    await play();
    await index.down();
    clock.advance(61_000);
    await play();
    await index.up();
    clock.advance(31_000);
  });

  it('has the same head for HEAD as for GET, and no body', async () => {
    for (const path of ['/simple/foo/', '/simple/', '/simple/no-such-project/']) {
      for (const fields of [{ accept: JSON_TYPE }, { accept: 'text/html', 'accept-encoding': 'gzip' }]) {
        await fetchAll(`${proxy.url}${path}`, { fields });
        const got = await fetchAll(`${proxy.url}${path}`, { fields });
        const head = await fetchAll(`${proxy.url}${path}`, { fields, method: 'HEAD' });
        assert.equal(head.status, got.status);
        assert.equal(head.sizeBytes, 0);
        const comparable = ({ fields: all }: ClientResponse) => all.filter((_, i) => all[i - (i % 2)] !== 'date');
        assert.deepEqual(comparable(head), comparable(got));
      }
    }
  });
});

describe('an upstream', () => {
  const UPSTREAMS = {
    'that ignores Accept and sends HTML': { formats: 'ignores-accept' },
    'that has only HTML': { formats: 'html-only' },
    'that has only JSON': { formats: 'json-only' },
    'without serials and validators': { serials: false, validators: 'none' },
  } as const;
  for (const [name, manners] of Object.entries(UPSTREAMS)) {
    it(`${name} is served in JSON and in HTML`, async (test) => {
      const index = await FakeIndex.start(manners);
      test.after(() => index.close());
      const foo = wheel({ name: 'foo', version: '1.0', requiresPython: '>=3.8,<4' });
      index.add('foo', foo);
      const proxy = await startProxy({ upstreams: [index.url] });
      test.after(() => proxy.close());
      const json = await getPage(proxy, 'foo');
      assert.equal(json.field('content-type'), JSON_TYPE);
      const { meta, files } = json.json() as {
        readonly meta: Readonly<Record<string, unknown>>;
        readonly files: readonly Readonly<Record<string, unknown>>[];
      };
      const isHtml = 'formats' in manners && manners.formats !== 'json-only';
      // HTML tells neither sizes nor versions: what we make of it must not claim a version that demands them (PEP 700).
      if (isHtml) assert.equal(meta['api-version'], '1.0');
      assert.equal(files[0]!.filename, foo.filename);
      assert.deepEqual(files[0]!.hashes, { sha256: foo.sha256 });
      assert.equal(files[0]!['requires-python'], '>=3.8,<4');
      const html = await get(`${proxy.url}/simple/foo/`, { accept: 'text/html' });
      assert.match(html.text(), /data-requires-python="&gt;=3\.8,&lt;4"/);
      // Every link of either leads back here, relative to the page, and to the right bytes.
      const link = /href="([^"#]+)#sha256=/.exec(html.text())![1]!;
      assert.match(link, /^\.\.\/\.\.\/files\/http\//);
      assert.equal(files[0]!.url, link);
      const file = await get(new URL(link, `${proxy.url}/simple/foo/`).href);
      assert.equal(file.sha256, foo.sha256);
      assert.equal((await get(`${proxy.url}/simple/`, { accept: JSON_TYPE })).status, 200);
    });
  }

  it('may call its JSON application/json or nothing at all, but not HTML what is JSON', async (test) => {
    const index = await FakeIndex.start();
    test.after(() => index.close());
    const plays: readonly (readonly [string, Fault, number])[] = [
      ['plain', contentType('application/json'), 200],
      ['untyped', contentType(undefined), 200],
      ['mislabelled', contentType('text/html'), 502],
    ];
    const proxy = await startProxy({ upstreams: [index.url] });
    test.after(() => proxy.close());
    for (const [name, fault, expected] of plays) {
      index.add(name, wheel({ name, version: '1.0' }));
      index.fault(`/simple/${name}/`, fault);
      const answer = await getPage(proxy, name);
      assert.equal(answer.status, expected, name);
      if (expected === 200) assert.equal(answer.field('content-type'), JSON_TYPE);
    }
  });

  it('may redirect to another spelling of the name, not to the page of another project', async (test) => {
    const index = await FakeIndex.start();
    test.after(() => index.close());
    index.add('renamed', wheel({ name: 'renamed', version: '1.0' }));
    const page = (name: string) =>
      status(200, ['content-type', JSON_TYPE], JSON.stringify({ meta: { 'api-version': '1.0' }, name, files: [] }));
    index.fault('/simple/foo-bar/', redirect('/simple/Foo_Bar/'));
    index.fault('/simple/Foo_Bar/', page('Foo_Bar'));
    index.fault('/simple/old/', redirect('/simple/renamed/'));
    const proxy = await startProxy({ upstreams: [index.url] });
    test.after(() => proxy.close());
    assert.equal((await getPage(proxy, 'foo-bar')).status, 200);
    // Its files are not those of the project that was asked for, and no installer would take them for that.
    assert.equal((await getPage(proxy, 'old')).status, 502);
  });

  it('may redirect within its host: links resolve against where the page was found', async (test) => {
    const index = await FakeIndex.start();
    test.after(() => index.close());
    index.fault('/simple/foo/', redirect('/elsewhere/deep/foo/'));
    const files = [{ filename: 'foo-1.0.tar.gz', url: '../foo-1.0.tar.gz', hashes: {} }];
    const body = JSON.stringify({ meta: { 'api-version': '1.0' }, name: 'foo', files });
    index.fault('/elsewhere/deep/foo/', status(200, ['content-type', JSON_TYPE], body));
    const proxy = await startProxy({ upstreams: [index.url] });
    test.after(() => proxy.close());
    const page = await getPage(proxy, 'foo');
    const [file] = (page.json() as { readonly files: readonly { readonly url: string }[] }).files;
    assert.equal(file!.url, `../../files/http/${new URL(index.url).host}/elsewhere/deep/foo-1.0.tar.gz`);
  });
});
