// Real uv: Python builds come through a raw mount, from a release server that redirects to another host for the bytes,
// also when both are gone.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { FakeServer } from '../support/upstream/fake-server.ts';
import { emptyMachine, tool } from './tools.ts';

const { path: uv, skip } = tool('WHEELKEEP_TEST_UV');
const run = promisify(execFile);

interface Download {
  readonly key: string;
  readonly url: string;
  readonly version_parts: { readonly major: number; readonly minor: number; readonly patch: number };
  readonly os: string;
  readonly arch: string;
  readonly libc: string;
}

/** The build that this uv would fetch, at the place that UV_PYTHON_INSTALL_MIRROR stands for: both by its own word. */
async function chosenBuild(): Promise<Download> {
  const env = { UV_NO_CONFIG: '1' };
  const options = ['--only-downloads', '--show-urls', '--output-format', 'json'];
  const { stdout } = await run(uv, ['python', 'list', ...options, 'cpython@3.13'], { env });
  const [build] = JSON.parse(stdout) as Download[];
  const { stdout: help } = await run(uv, ['help', 'python', 'install'], { env });
  const replaced = /URL will replace\s+`([^`]+)`/.exec(help)![1]!;
  return { ...build!, url: `${replaced}/${build!.url.split('/download/')[1]}` };
}

/** An archive in which something stands in the place of Python. */
async function standIn(folder: string): Promise<Buffer> {
  const bin = join(folder, 'python', 'bin');
  await mkdir(bin, { recursive: true });
  const lib = join(folder, 'python', 'lib', 'python3.13');
  await mkdir(lib, { recursive: true });
  // uv adapts its paths to the place of the installation.
  const sysconfig = '# system configuration generated and used by the sysconfig module\nbuild_time_vars = {}\n';
  await writeFile(join(lib, '_sysconfigdata__linux_x86_64-linux-gnu.py'), sysconfig);
  await writeFile(join(bin, 'python3.13'), '#!/bin/sh\necho I stand in for Python\n', { mode: 0o755 });
  await run('tar', ['-czf', 'python.tar.gz', 'python'], { cwd: folder });
  return readFile(join(folder, 'python.tar.gz'));
}

/** uv's list of downloads with the hash of our archive in the place of the real one. */
function listOf({ key, url, version_parts: version, os, arch, libc }: Download, archive: Buffer): string {
  const sha256 = createHash('sha256').update(archive).digest('hex');
  const family = { family: arch, variant: null };
  const build = { name: 'cpython', arch: family, os, libc, ...version, prerelease: '', url, sha256, variant: null };
  return JSON.stringify({ [key]: { ...build, build: '20260101' } });
}

describe('uv python install', { skip }, () => {
  it('works through a raw mount whose origin redirects, and again when everything upstream is gone', async (test) => {
    const folder = await temporaryFolder(test);
    const build = await chosenBuild();
    const archive = await standIn(folder);
    const list = join(folder, 'downloads.json');
    await writeFile(list, listOf(build, archive));

    const storage = await FakeServer.start({
      respond: () => ({ status: 200, fields: ['etag', '"1"', 'accept-ranges', 'bytes'], body: archive }),
    });
    const releases = await FakeServer.start({
      respond: () => ({ status: 302, fields: ['location', `${storage.origin}/b?signature=1`], body: Buffer.alloc(0) }),
    });
    const proxy = await startProxy({
      upstreams: ['http://127.0.0.1:9/simple/'],
      config: {
        raw: [{ name: 'python', origin: `${releases.origin}/`, maxBodyBytes: 1e9, redirectOrigins: [storage.origin] }],
      },
    });
    test.after(() => Promise.all([proxy.close(), releases.close(), storage.close()]));

    for (const round of ['cold', 'hot', 'in the outage']) {
      if (round === 'in the outage') await Promise.all([releases.down(), storage.down()]);
      const home = join(folder, round);
      const target = join(home, 'pythons');
      const machine = await emptyMachine(home, 'http://127.0.0.1:9/simple/', {
        UV_PYTHON_INSTALL_MIRROR: `${proxy.url}/raw/python`,
        UV_PYTHON_DOWNLOADS_JSON_URL: list,
        UV_PYTHON_DOWNLOADS: 'manual',
      });
      await machine.run(uv, ['python', 'install', '--no-bin', '--install-dir', target, build.key]);
      const installed = (await readdir(target)).find((name) => name.startsWith('cpython-3.13.'));
      assert.ok(installed !== undefined, round);
      const { stdout } = await run(join(target, installed, 'bin', 'python3.13'), []);
      assert.match(stdout, /I stand in for Python/, round);
    }
    assert.ok(releases.log.count() >= 1 && storage.log.count() >= 1);
  });
});
