// Real twine: uploads pass through where the operator allows them, and what goes wrong is told in words that it shows.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { uploadIndex } from '../support/upstream/upload-index.ts';
import { wheel } from '../support/upstream/wheels.ts';
import { emptyMachine, tool } from './tools.ts';

const { path: twine, skip } = tool('WHEELKEEP_TEST_TWINE');

interface Upload {
  readonly url: string | undefined;
  readonly authorization: string | undefined;
  readonly body: Buffer;
}

/** An index that takes uploads, or refuses them with this reason phrase; and what it was sent. */
async function uploadServer(test: TestContext, refusal?: string) {
  const uploads: Upload[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    uploads.push({ url: request.url, authorization: request.headers.authorization, body: Buffer.concat(chunks) });
    if (refusal !== undefined) response.writeHead(400, refusal);
    response.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  test.after(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/simple/`, uploads };
}

describe('twine', { skip }, () => {
  async function upload(test: TestContext, upstream: string, uploads: boolean) {
    const proxy = await startProxy({ upstreams: [upstream], config: { uploads } });
    test.after(() => proxy.close());
    const { home, run } = await emptyMachine(await temporaryFolder(test), `${proxy.url}/simple/`);
    const file = wheel({ name: 'wk-upload', version: '1.0' });
    const path = join(home, file.filename);
    await writeFile(path, file.bytes);
    const options = ['upload', '--non-interactive', '--disable-progress-bar', '-u', 'me', '-p', 'secret'];
    return { file, done: run(twine, [...options, '--repository-url', `${proxy.url}/legacy/`, path]) };
  }

  it('uploads through POST /legacy/, with the credentials of its user', async (test) => {
    const { url, uploads } = await uploadServer(test);
    const { file, done } = await upload(test, url, true);
    await done;
    assert.equal(uploads.length, 1);
    assert.equal(uploads[0]!.url, '/legacy/');
    assert.equal(uploads[0]!.authorization, `Basic ${Buffer.from('me:secret').toString('base64')}`);
    assert.ok(uploads[0]!.body.includes(file.bytes), 'the file arrives byte for byte');
  });

  it("shows the index's reason for a refusal", async (test) => {
    const { url } = await uploadServer(test, 'File already exists');
    const { done } = await upload(test, url, true);
    await assert.rejects(done, /400 Bad Request.*File already exists/s);
  });

  it('shows that uploads are off, and nothing is sent upstream', async (test) => {
    const { url, uploads } = await uploadServer(test);
    const { done } = await upload(test, url, false);
    await assert.rejects(done, /403 Forbidden.*option uploads\s+is\s+off/s);
    assert.equal(uploads.length, 0);
  });
});

describe('publishing', () => {
  async function publisher(test: TestContext) {
    const index = await uploadIndex(test);
    const config = { uploads: true, pageFreshMs: 3_600_000, negativeFreshMs: 3_600_000 };
    const proxy = await startProxy({ upstreams: [index.url], config });
    test.after(() => proxy.close());
    const machine = await emptyMachine(await temporaryFolder(test), `${proxy.url}/simple/`);
    const write = async (version: string) => {
      const file = wheel({ name: 'wk-upload', version });
      const path = join(machine.home, file.filename);
      await writeFile(path, file.bytes);
      return path;
    };
    return { index, proxy, machine, write };
  }

  const uv = tool('WHEELKEEP_TEST_UV');
  it('uv publish --check-url sees what was uploaded a moment ago, and nothing that was not', uv, async (test) => {
    const { index, proxy, machine, write } = await publisher(test);
    const publish = (path: string) => {
      const urls = ['--publish-url', `${proxy.url}/legacy/`, '--check-url', `${proxy.url}/simple/`];
      return machine.run(uv.path, ['publish', ...urls, '-u', 'me', '-p', 'secret', path]);
    };
    const paths = [await write('1.0'), await write('2.0')];
    for (const path of paths) await publish(path);
    assert.equal(index.list('wk-upload').length, 2);
    const sent = index.authorizations.length;
    for (const path of paths) assert.match(await publish(path), /already exists, skipping/);
    assert.equal(index.authorizations.length, sent, 'what is there is not sent again');
  });

  const pip = tool('WHEELKEEP_TEST_PIP');
  it('pip finds what twine uploaded a moment ago', { skip: skip || pip.skip }, async (test) => {
    const { proxy, machine, write } = await publisher(test);
    for (const version of ['1.0', '2.0']) {
      const options = ['upload', '--non-interactive', '--disable-progress-bar', '-u', 'me', '-p', 'secret'];
      await machine.run(twine, [...options, '--repository-url', `${proxy.url}/legacy/`, await write(version)]);
      const target = join(machine.home, version);
      await machine.run(pip.path, ['install', '--quiet', '--target', target, 'wk-upload']);
      assert.ok((await readdir(target)).includes(`wk_upload-${version}.dist-info`), version);
    }
  });
});
