// The list of all projects of a large index: tens of megabytes, rendered once and sent at each client's pace.

import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { fetchAll, get } from '../support/proxy/http-client.ts';
import { JSON_TYPE } from '../support/proxy/page-client.ts';
import { type RunningProxy, startProxy } from '../support/proxy/proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { replacedBody } from '../support/upstream/faults.ts';

const NAMES = Array.from({ length: 250_000 }, (_, i) => `project-${i}-${(i * 7_919) % 1_000}`);
const LIST = JSON.stringify({
  meta: { '_last-serial': 7, 'api-version': '1.1' },
  projects: NAMES.map((name, i) => ({ '_last-serial': i, name })),
});

describe('a project list of many megabytes', () => {
  let index: FakeIndex;
  let proxy: RunningProxy;
  before(async () => {
    index = await FakeIndex.start();
    index.fault('/simple/', replacedBody(LIST));
    proxy = await startProxy({ upstreams: [index.url] });
  });
  after(() => Promise.all([proxy.close(), index.close()]));
  const ask = (fields: Readonly<Record<string, string>>) => get(`${proxy.url}/simple/`, fields);

  it('is whole and the same in every coding, for several clients at once, from one upstream request', async () => {
    const accept = JSON_TYPE;
    const answers = await Promise.all([
      ...Array.from({ length: 6 }, () => ask({ accept })),
      ask({ accept, 'accept-encoding': 'gzip' }),
      ask({ accept, 'accept-encoding': 'zstd' }),
    ]);
    for (const answer of answers) {
      const coding = answer.field('content-encoding');
      const bytes =
        coding === 'gzip' ? gunzipSync(answer.body) : coding === 'zstd' ? zstdDecompressSync(answer.body) : answer.body;
      assert.equal(bytes.toString(), LIST, coding);
      assert.equal(answer.field('content-length'), String(answer.body.length), coding);
      assert.match(answer.field('etag')!, /^"[0-9a-f]{32}"$/);
    }
    assert.equal(new Set(answers.map((answer) => answer.field('etag'))).size, 3, 'a tag for each coding');
    assert.equal(index.requests('/simple/'), 1);
  });

  it('is derived in HTML, a link a line', async () => {
    const html = (await ask({ accept: 'text/html' })).text();
    assert.equal(html.match(/<a href="/g)!.length, NAMES.length);
    assert.ok(html.includes(`<a href="${NAMES.at(-1)}/">${NAMES.at(-1)}</a><br />\n`));
    assert.match(html, /<!--SERIAL 7-->\n$/);
  });

  it('answers HEAD and 304 without a body', async () => {
    const head = await fetchAll(`${proxy.url}/simple/`, { method: 'HEAD', fields: { accept: JSON_TYPE } });
    assert.deepEqual([head.status, head.field('content-length'), head.body.length], [200, String(LIST.length), 0]);
    const known = await ask({ accept: JSON_TYPE, 'if-none-match': head.field('etag')! });
    assert.deepEqual([known.status, known.body.length], [304, 0]);
  });

  it('goes on for others when one client leaves in the middle', async () => {
    await new Promise<void>((resolve) => {
      const leaving = request(`${proxy.url}/simple/`, { headers: { accept: JSON_TYPE } }, (response) => {
        response.once('data', () => {
          response.destroy();
          resolve();
        });
        response.on('error', () => {});
      });
      leaving.on('error', () => {});
      leaving.end();
    });
    assert.equal((await ask({ accept: JSON_TYPE })).body.length, LIST.length);
  });
});
