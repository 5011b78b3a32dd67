// A Wheelkeep that asks its clients who they are, over its own TLS, and machines that know its address.

import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { hashPassword } from '../../src/access/secret-hash.ts';
import { readIdentity } from '../../src/access/tls-identity.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { certificateAuthority } from '../support/upstream/certificates.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { wheel } from '../support/upstream/wheels.ts';
import { emptyMachine, type Machine } from './tools.ts';

const app = wheel({ name: 'wk-app', version: '1.0', requires: ['wk-base'] });
const base = wheel({ name: 'wk-base', version: '2.0' });

export const USER = 'ci';
/** With what has a meaning in an address. */
export const PASSWORD = 'p@ss/word:1';

/** A guarded Wheelkeep over TLS; the machine knows no address until `with` gives it one. */
export async function guardedWorld(t: TestContext) {
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
  const content = `${USER}:${await hashPassword(PASSWORD)}\n`;
  const clients = { file: join(folder, 'clients'), content, count: 1 };
  await writeFile(clients.file, content);
  const tls = { ...files, minVersion: 'TLSv1.2' as const, identity: await readIdentity(files) };
  const proxy = await startProxy({ upstreams: [index.url], config: { tls, clients } });
  t.after(() => proxy.close());
  const trust = { PIP_CERT: ca, SSL_CERT_FILE: ca, REQUESTS_CA_BUNDLE: ca };
  let machines = 0;
  const machine = (address: string, more: Readonly<Record<string, string>> = {}): Promise<Machine> =>
    emptyMachine(join(folder, `home${machines++}`), `${address}/simple/`, { ...trust, ...more });
  const named = proxy.url.replace('://', `://${USER}:${encodeURIComponent(PASSWORD)}@`);
  return { url: proxy.url, named, machine };
}

export async function installed(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.endsWith('.dist-info')).sort();
}
export const BOTH = ['wk_app-1.0.dist-info', 'wk_base-2.0.dist-info'];
