// Real installers that have to prove who they are, over our own TLS: credentials in the address, in netrc, in a variable.

import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { hashPassword } from '../../src/http/secret-hash.ts';
import { readIdentity } from '../../src/http/tls-identity.ts';
import { certificateAuthority } from '../support/certificates.ts';
import { FakeIndex } from '../support/fake-index.ts';
import { startProxy } from '../support/proxy.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { wheel } from '../support/wheels.ts';
import { emptyMachine, type Machine, pythonOf, sitePackagesOf, tool } from './tools.ts';

const app = wheel({ name: 'wk-app', version: '1.0', requires: ['wk-base'] });
const base = wheel({ name: 'wk-base', version: '2.0' });

/** A guarded Wheelkeep over TLS; the machine knows no address until `with` gives it one. */
async function world(t: TestContext) {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  index.add('wk-app', app);
  index.add('wk-base', base);
  const folder = await temporaryFolder(t);
  const authority = certificateAuthority();
  const { cert, key } = authority.issue(['127.0.0.1', 'localhost']);
  const files = { certFile: join(folder, 'tls.crt'), keyFile: join(folder, 'tls.key') };
  const ca = join(folder, 'ca.pem');
  await writeFile(files.certFile, cert);
  await writeFile(files.keyFile, key);
  await writeFile(ca, authority.cert);
  const content = `ci:${await hashPassword('p@ss/word:1')}\n`;
  const clients = { file: join(folder, 'clients'), content, count: 1 };
  await writeFile(clients.file, content);
  const tls = { ...files, minVersion: 'TLSv1.2' as const, identity: await readIdentity(files) };
  const proxy = await startProxy({ upstreams: [index.url], config: { tls, clients } });
  t.after(() => proxy.close());
  const trust = { PIP_CERT: ca, SSL_CERT_FILE: ca, REQUESTS_CA_BUNDLE: ca };
  let machines = 0;
  const machine = (address: string): Promise<Machine> =>
    emptyMachine(join(folder, `home${machines++}`), `${address}/simple/`, trust);
  const named = proxy.url.replace('://', `://ci:${encodeURIComponent('p@ss/word:1')}@`);
  return { url: proxy.url, named, machine };
}

async function installed(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.endsWith('.dist-info')).sort();
}
const BOTH = ['wk_app-1.0.dist-info', 'wk_base-2.0.dist-info'];

for (const variable of ['WHEELKEEP_TEST_PIP', 'WHEELKEEP_TEST_PIP_OLD'] as const) {
  const { path: python, skip } = pythonOf(variable);
  const install = async ({ home, run }: Machine) => {
    const target = join(home, 'target');
    await run(python, ['-m', 'pip', 'install', '--quiet', '--target', target, 'wk-app']);
    return installed(target);
  };

  test(`pip installs with the credentials of its address or of netrc (${variable})`, { skip }, async (t) => {
    const { url, named, machine } = await world(t);
    assert.deepEqual(await install(await machine(named)), BOTH);
    const second = await machine(url);
    await writeFile(join(second.home, '.netrc'), 'machine 127.0.0.1 login ci password p@ss/word:1\n', { mode: 0o600 });
    assert.deepEqual(await install(second), BOTH);
  });

  test(`pip without credentials, or with wrong ones, says 401 (${variable})`, { skip }, async (t) => {
    const { url, machine } = await world(t);
    for (const address of [url, url.replace('://', '://ci:wrong@')]) {
      await assert.rejects(install(await machine(address)), /401|Unauthorized|No matching distribution/);
    }
  });
}

const uv = tool('WHEELKEEP_TEST_UV');

test('uv installs with the credentials of its address, and says 401 without', { skip: uv.skip }, async (t) => {
  const { url, named, machine } = await world(t);
  const install = async ({ home, run }: Machine) => {
    const environment = join(home, 'venv');
    await run(uv.path, ['venv', '--clear', environment]);
    await run(uv.path, ['pip', 'install', '--python', environment, 'wk-app']);
    return installed(await sitePackagesOf(environment));
  };
  assert.deepEqual(await install(await machine(named)), BOTH);
  await assert.rejects(install(await machine(url)), /401|Unauthorized|failed/);
});
