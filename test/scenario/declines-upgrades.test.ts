// A client may offer to switch protocols; it is answered as if it had not, and nothing that it sent behind the offer is
// lost or answered before its turn (RFC 9110 7.8, RFC 9112 9.3.2).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sendRaw } from '../support/proxy/http-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { rawMount } from '../support/proxy/raw-mount.ts';

const OFFERS = [
  'Connection: Upgrade\r\nUpgrade: h2c\r\n',
  'connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n',
  'Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n',
];

const ask = (path: string, fields = '') => `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${fields}\r\n`;
const LAST = 'Connection: close\r\n';

/** The bodies of the answers in their order, by the target that the origin repeats. */
const answered = (text: string) => [...text.matchAll(/<(\w+ [^>]*)>/g)].map(([, body]) => body);

for (const offer of OFFERS) {
  const name = offer.split('\r\n').at(-2);
  test(`what follows an offer in the same packet is answered in order (${name})`, async (t) => {
    const { url, origin } = await rawMount(t, {
      respond: ({ method, url: target }) => ({ status: 200, fields: [], body: Buffer.from(`<${method} ${target}>`) }),
    });
    const first = ask('/before');
    for (const bytes of [
      first + ask('/a', offer) + ask('/b') + ask('/c', LAST),
      ask('/d', offer) + ask('/e', offer) + ask('/f', offer + LAST.replace('Connection', 'X-Last')) + ask('/g', LAST),
      `POST /h HTTP/1.1\r\nHost: 127.0.0.1\r\n${offer}Content-Length: 4\r\n\r\nbody${ask('/i', LAST)}`,
      `POST /j HTTP/1.1\r\nHost: 127.0.0.1\r\n${offer}Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n${ask('/k', LAST)}`,
    ]) {
      const wanted = [...bytes.matchAll(/(GET|POST) (\S+) HTTP/g)].map(([, method, target]) => `${method} ${target}`);
      assert.deepEqual(answered(await sendRaw(url, bytes)), wanted);
    }
    for (const { fields } of origin.log.entries) {
      const offered = fields
        .filter((_, i) => i % 2 === 0)
        .filter((field) => /^(?:upgrade|http2-settings)$/.test(field));
      assert.deepEqual(offered, [], 'the offer goes no further');
    }
  });
}

test('an offer behind an answer that takes its time waits for it, and it has its own answer', async (t) => {
  const proxy = await startProxy({ upstreams: ['http://127.0.0.1:9/simple/'] });
  t.after(() => proxy.close());
  const bytes = `${ask('/simple/slow/')}${ask('/-/live', OFFERS[0])}${ask('/-/live', LAST)}`;
  const statuses = (await sendRaw(proxy.url, bytes, 15_000)).match(/HTTP\/1\.1 \d+/g);
  assert.deepEqual(statuses?.slice(1), ['HTTP/1.1 200', 'HTTP/1.1 200']);
});
