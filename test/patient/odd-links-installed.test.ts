// Real pip and uv install files whose links have escaped or doubled slashes and credentials: no redirects without end.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { emptyMachine, tool } from '../installer/tools.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { wheel } from '../support/upstream/wheels.ts';

const DEMO = wheel({ name: 'wk-odd', version: '1.0' });
const FOLDERS = ['/pool%2Fodd/', '/a//b/', '//a/', '/a;v=1/', '/%3Fx%23y/', '/sp ace/é/', '/@scope/a:b/', '/a%252Fb/'];
const PASSWORD = 'pw%2Fx';
const CREDENTIALS = `Basic ${Buffer.from('me:pw/x').toString('base64')}`;

/** A machine whose index lists the wheel in this folder, where it is given out to those with the password alone. */
async function machine(test: TestContext, folder: string, format: 'json' | 'html') {
  const server = createServer((request, response) => {
    const { host } = request.headers;
    const link = `http://me:${PASSWORD}@${host}${folder}${DEMO.filename}`;
    if (request.url === '/simple/wk-odd/') {
      const record = { filename: DEMO.filename, url: link, hashes: { sha256: DEMO.sha256 } };
      response.setHeader('content-type', format === 'json' ? 'application/vnd.pypi.simple.v1+json' : 'text/html');
      response.end(
        format === 'json'
          ? JSON.stringify({ meta: { 'api-version': '1.0' }, name: 'wk-odd', files: [record] })
          : `<h1>Links for wk-odd</h1><a href="${link}#sha256=${DEMO.sha256}">${DEMO.filename}</a>`,
      );
      return;
    }
    const isRight = request.url === new URL(link).pathname && request.headers.authorization === CREDENTIALS;
    response.writeHead(isRight ? 200 : 403).end(isRight ? DEMO.bytes : '');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  test.after(() => server.close());
  const upstream = `http://127.0.0.1:${(server.address() as AddressInfo).port}/simple/`;
  const proxy = await startProxy({ upstreams: [upstream] });
  test.after(() => proxy.close());
  return emptyMachine(await temporaryFolder(test), `${proxy.url}/simple/`);
}

const TOOLS = {
  pip: (target: string) => ['install', '--quiet', '--target', target, 'wk-odd'],
  uv: (target: string) => ['pip', 'install', '--quiet', '--target', target, 'wk-odd'],
};

for (const name of ['pip', 'uv'] as const) {
  const { path, skip } = tool(name === 'pip' ? 'WHEELKEEP_TEST_PIP' : 'WHEELKEEP_TEST_UV');
  describe(name, { skip }, () => {
    for (const format of ['json', 'html'] as const) {
      it(`installs from links of unusual form in a ${format} page`, async (test) => {
        for (const folder of FOLDERS) {
          const { home, run } = await machine(test, folder, format);
          const target = join(home, 'target');
          await run(path, TOOLS[name](target));
          assert.ok((await readdir(target)).includes('wk_odd-1.0.dist-info'), folder);
        }
      });
    }
  });
}
