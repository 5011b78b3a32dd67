// Names are data: they become no markup, no metric, no line of the log and no property of an object
//.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { get, sendRaw } from '../support/proxy/http-client.ts';
import { getPage, JSON_TYPE, listed } from '../support/proxy/page-client.ts';
import { smallWorld } from '../support/proxy/small-world.ts';
import { spawnProxy } from '../support/proxy/spawned-proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { status } from '../support/upstream/faults.ts';
import { wheel } from '../support/upstream/wheels.ts';

test('markup in names, reasons, fields and URLs of a page is text on ours, and our pages may run nothing', async (t) => {
  const { index, proxy } = await smallWorld(t);
  const payloads = [
    '<script>alert(1)</script>',
    '"><img src=x onerror=alert(1)>',
    "' onload='alert(1)",
    '--><svg/onload=1>',
  ];
  payloads.push('javascript:alert(1)', '</title><script>', '&lt;script&gt;', '\u202egnp.exe');
  const files = payloads.map((payload, i) => ({
    filename: `foo-1.${i}${payload}.tar.gz`,
    url: `https://files.example/${encodeURIComponent(payload)}/foo-1.${i}.tar.gz`,
    hashes: { sha256: 'a'.repeat(64), [payload]: payload },
    yanked: payload,
    'requires-python': payload,
    [payload]: payload,
  }));
  files.push({ ...files[0]!, url: 'javascript:alert(1)' }, { ...files[0]!, url: 'data:text/html,<script>' });
  const body = JSON.stringify({ meta: { 'api-version': '1.4', _note: payloads[0] }, name: payloads[0], files });
  index.fault('/simple/foo/', status(200, ['content-type', JSON_TYPE], body));
  const names = payloads.map((name) => ({ name }));
  const list = JSON.stringify({ meta: { 'api-version': '1.4' }, projects: [...names, { name: 'foo' }] });
  index.fault('/simple/', status(200, ['content-type', JSON_TYPE], list));
  for (const path of [
    '/simple/foo/',
    '/simple/',
    '/simple/%3Cscript%3E/',
    '/%3Cscript%3E',
    '/files/https/<script>/x',
  ]) {
    const page = await get(proxy.url + path, { accept: 'text/html' });
    assert.doesNotMatch(page.text(), /<(?:script|img|svg)|href="(?:javascript|data):|\son\w+=(?!.*&)/i, path);
    assert.equal(page.field('x-content-type-options'), 'nosniff', path);
    if (page.field('content-type')?.includes('html')) {
      assert.match(page.field('content-security-policy') ?? '', /default-src 'none'/, path);
    }
  }
});

test('projects may be called as the insides of objects are', async (t) => {
  const { index, proxy } = await smallWorld(t);
  for (const name of ['constructor', 'tostring', 'hasownproperty', 'valueof', 'prototype', 'length', 'null']) {
    const file = wheel({ name, version: '1.0' });
    index.add(name, file);
    assert.deepEqual(listed(await getPage(proxy, name)), [file.filename]);
    const other = await getPage(proxy, `${name}-2`);
    assert.equal(other.status, 404, name);
  }
  assert.equal((await getPage(proxy, '__proto__')).status, 404);
});

test('however many names are asked for, the metrics have as many series as before', async (t) => {
  const { index, proxy } = await smallWorld(t);
  index.add('foo', wheel({ name: 'foo', version: '1.0' }));
  const ask = async (i: number) => {
    await getPage(proxy, i % 10 === 0 ? 'foo' : `nothing-${i}`);
    await get(`${proxy.url}/files/https/host-${i}.example/foo-${i}.tar.gz`, { 'user-agent': `client-${i}` });
    if (i % 10 === 1) await sendRaw(proxy.url, `M${i} /x${i} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`);
  };
  for (let i = 0; i < 20; i += 1) await ask(i);
  const series = async () =>
    Object.keys(await proxy.metrics())
      .filter((name) => name.startsWith('wheelkeep_'))
      .sort();
  // The first scrape is counted by itself.
  await series();
  const before = await series();
  for (let i = 20; i < 400; i += 20) await Promise.all(Array.from({ length: 20 }, (_, k) => ask(i + k)));
  assert.deepEqual(await series(), before);
  assert.ok(!before.some((name) => /nothing-|client-|host-\d/.test(name)));
});

test('no request can write a line of its own into the log, in text or in JSON', async (t) => {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  for (const format of ['text', 'json']) {
    const dataDir = await temporaryFolder(t);
    const env = { WHEELKEEP_LOG_FORMAT: format, WHEELKEEP_LOG_LEVEL: 'debug' };
    const proxy = await spawnProxy({ dataDir, upstreams: [index.url], env });
    t.after(() => proxy.stop('SIGKILL'));
    const forged = '%0d%0aFORGED%20line\u2028FORGED%1b[31m%00';
    const agent = 'x\u0085FORGED \u001b[2JFORGED\ttab';
    for (const path of [
      `/simple/${forged}/`,
      `/${forged}`,
      `/files/https/files.example/${forged}-1.0.tar.gz`,
      `/simple/a/?${forged}`,
    ]) {
      await sendRaw(
        proxy.url,
        `GET ${path} HTTP/1.1\r\nhost: localhost\r\nuser-agent: ${agent}\r\nconnection: close\r\n\r\n`,
      );
      await sendRaw(
        proxy.url,
        `GET ${path} HTTP/1.1\r\nhost: localhost\r\nx-request-id: a\x0b\x0cFORGED\r\nconnection: close\r\n\r\n`,
      );
    }
    await proxy.stop();
    const lines = proxy.output().split('\n');
    assert.ok(
      lines.some((line) => line.includes('/simple/')),
      proxy.output(),
    );
    for (const line of lines) {
      assert.doesNotMatch(line, /^\s*FORGED/);
      assert.doesNotMatch(line, /[\x00-\x08\x0b-\x1f\x7f\u0085\u2028\u2029\u202e]/);
      if (format === 'json' && line !== '') assert.doesNotThrow(() => JSON.parse(line), line);
    }
  }
});
