// Real uv and pip look at times of upload: `--exclude-newer` and `--uploaded-prior-to` see those of an HTML upstream.

import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { status } from '../support/upstream/faults.ts';
import { wheel } from '../support/upstream/wheels.ts';
import { emptyMachine, tool } from './tools.ts';

const OLD = wheel({ name: 'wk-timed', version: '1.0' });
const NEW = wheel({ name: 'wk-timed', version: '2.0' });
const TIMES = { '1.0': '2024-01-02T03:04:05', '2.0': '2026-01-02T03:04:05.5+01:00' };

/** A machine whose index is a Wheelkeep in front of an HTML page that tells times, one of them garbage if wanted. */
async function machine(test: TestContext, times: Readonly<Record<string, string>> = TIMES) {
  const index = await FakeIndex.start();
  test.after(() => index.close());
  index.add('wk-timed', OLD, NEW);
  const links = [OLD, NEW].map(
    (file) =>
      `<a href="${index.pathOf(file)}#sha256=${file.sha256}" data-size="${file.bytes.length}" ` +
      `data-upload-time="${times[file.version]}">${file.filename}</a>`,
  );
  index.fault(
    '/simple/wk-timed/',
    status(200, ['content-type', 'text/html'], `<h1>Links for wk-timed</h1>${links.join('')}`),
  );
  const proxy = await startProxy({ upstreams: [index.url] });
  test.after(() => proxy.close());
  return emptyMachine(await temporaryFolder(test), `${proxy.url}/simple/`);
}

async function installed(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.endsWith('.dist-info')).sort();
}

const uv = tool('WHEELKEEP_TEST_UV');
describe('uv', { skip: uv.skip }, () => {
  it('takes the version of that day with --exclude-newer from an index that has HTML only', async (test) => {
    const { home, run } = await machine(test);
    const install = (day: string, target: string) =>
      run(uv.path, ['pip', 'install', '--quiet', '--exclude-newer', day, '--target', join(home, target), 'wk-timed']);
    await install('2025-01-01T00:00:00Z', 'then');
    assert.deepEqual(await installed(join(home, 'then')), ['wk_timed-1.0.dist-info']);
    await install('2027-01-01T00:00:00Z', 'now');
    assert.deepEqual(await installed(join(home, 'now')), ['wk_timed-2.0.dist-info']);
    await assert.rejects(install('2023-01-01T00:00:00Z', 'before'));
  });

  it('installs from a page one of whose times is garbage', async (test) => {
    const { home, run } = await machine(test, { ...TIMES, '2.0': 'yesterday' });
    await run(uv.path, ['pip', 'install', '--quiet', '--target', join(home, 'target'), 'wk-timed==1.0']);
    assert.deepEqual(await installed(join(home, 'target')), ['wk_timed-1.0.dist-info']);
  });
});

const pip = tool('WHEELKEEP_TEST_PIP');
describe('pip', { skip: pip.skip }, () => {
  it('takes the version of that day with --uploaded-prior-to from an index that has HTML only', async (test) => {
    const { home, run } = await machine(test);
    const options = ['--uploaded-prior-to', '2025-01-01T00:00:00Z', '--target', join(home, 'target')];
    await run(pip.path, ['install', '--quiet', ...options, 'wk-timed']);
    assert.deepEqual(await installed(join(home, 'target')), ['wk_timed-1.0.dist-info']);
  });
});
