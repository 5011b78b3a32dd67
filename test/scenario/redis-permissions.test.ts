// A Redis user that may not run all of our commands, and a Redis behind a certificate of the company's own authority.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { Log } from '../../src/observe/log.ts';
import { until } from '../support/clock/until.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { freePort } from '../support/proxy/free-port.ts';
import { get } from '../support/proxy/http-client.ts';
import { type RunningProxy, startProxy } from '../support/proxy/proxy.ts';
import { RedisServer, redisMissing } from '../support/redis/redis-server.ts';
import { certificateAuthority } from '../support/upstream/certificates.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { wheel } from '../support/upstream/wheels.ts';

/** How many leases are held. */
const LEASES = "return #redis.call('keys', 'wheelkeep:1:lease:*')";
const ALL = ['getrange', 'set', 'del', 'unlink', 'eval', 'xadd', 'xrange'];

async function node(t: TestContext, upstream: string, redis: string, extraCertificates: readonly string[] = []) {
  const warnings: string[] = [];
  const note = (message: string) => warnings.push(message);
  const log = { debug: () => {}, info: note, warn: note, error: note } as unknown as Log;
  const proxy = await startProxy({
    upstreams: [upstream],
    config: { redis: { url: redis, secret: 'of these nodes' }, pageFreshMs: 0, extraCertificates },
    overrides: { log },
  });
  t.after(() => proxy.close());
  return { proxy, warnings };
}

/** Asks for the page, which has to be asked about each time: a copy in its place means that the client waited in vain. */
async function refresh(proxy: RunningProxy): Promise<void> {
  const answer = await get(`${proxy.url}/simple/demo/`);
  assert.equal(answer.status, 200);
  assert.equal(answer.field('x-wheelkeep-stale'), undefined);
}

describe('a Redis user with an ACL', { skip: redisMissing }, () => {
  for (const without of [
    ['eval'],
    ['xadd', 'xrange'],
    ['eval', 'del'],
    ['del'],
    ['eval', 'xadd', 'unlink'],
    ['getrange'],
    [],
  ]) {
    test(`without ${without.join(', ') || 'nothing'}: it is said what is missing, and no refresh waits`, async (t) => {
      const index = await FakeIndex.start();
      t.after(() => index.close());
      index.add('demo', wheel({ name: 'demo', version: '1.0' }));
      const redis = await RedisServer.start();
      t.after(() => redis.kill());
      const granted = ALL.filter((command) => !without.includes(command)).map((command) => `+${command}`);
      const rules = ['on', '>pw', '~wheelkeep:*', '+ping', '+hello', '+client', '+auth', '+select', ...granted];
      assert.equal(String(await redis.command('ACL', 'SETUSER', 'limited', ...rules)), 'OK');
      const url = redis.url.replace('://', '://limited:pw@');
      const nodes = [await node(t, index.url, url), await node(t, index.url, url)];
      for (const { warnings } of nodes) {
        await until(() => warnings.some((line) => line.includes('redis answers')), 'Redis is up').catch((error) => {
          // A user that may not even read is told apart below.
          if (!without.includes('getrange')) throw error;
        });
        if (without.length === 0) continue;
        await until(() => warnings.some((line) => line.includes('does not let its user')), 'it is said');
        const said = warnings.find((line) => line.includes('does not let its user'))!;
        for (const command of without) assert.match(said, new RegExp(command.toUpperCase()));
        assert.match(said, /ACL SETUSER limited ~wheelkeep:\* \+/);
      }
      // One node after the other refreshes, which takes and gives back a lease each time.
      for (let round = 0; round < 6; round++) {
        await refresh(nodes[round % 2]!.proxy);
        // It is given back when what was stored under it is there, and nobody waits for its end.
        await until(async () => (await redis.command('EVAL', LEASES, '0')) === 0, 'no lease is left', 1_000);
      }
      if (without.length === 0) {
        for (const { warnings } of nodes) assert.ok(!warnings.some((line) => line.includes('does not let')));
      }
    });
  }
});

test('ca_file is trusted for a Redis over TLS', { skip: redisMissing }, async (t) => {
  const authority = certificateAuthority();
  const folder = await temporaryFolder(t);
  const identity = authority.issue(['127.0.0.1']);
  const [certFile, keyFile, caFile] = ['cert.pem', 'key.pem', 'ca.pem'].map((name) => join(folder, name));
  await writeFile(certFile!, identity.cert as string);
  await writeFile(keyFile!, identity.key as string);
  await writeFile(caFile!, authority.cert);
  const port = await freePort();
  const tls = [
    '--tls-port',
    String(port),
    '--tls-cert-file',
    certFile!,
    '--tls-key-file',
    keyFile!,
    '--tls-ca-cert-file',
    caFile!,
  ];
  const redis = await RedisServer.start(...tls, '--tls-auth-clients', 'no');
  t.after(() => redis.kill());
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const url = `rediss://127.0.0.1:${port}`;
  const trusting = await node(t, index.url, url, [authority.cert]);
  await until(() => trusting.warnings.some((line) => line.includes('redis answers')), 'Redis is up');
  const doubting = await node(t, index.url, url);
  await until(() => doubting.warnings.some((line) => line.includes('redis is away')), 'Redis is refused');
  assert.ok(!doubting.warnings.some((line) => line.includes('redis answers')));
});
