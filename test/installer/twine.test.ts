// Real twine: uploads pass through where the operator allows them, and what goes wrong is told in words that it shows.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { startProxy } from '../support/proxy.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { wheel } from '../support/wheels.ts';
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
