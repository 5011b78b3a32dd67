// The way out: proxies and certificate authorities as the environment names them.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { load, refusal, UPSTREAM } from '../support/proxy/config-world.ts';

const PEM = '-----BEGIN CERTIFICATE-----\nbm90IHJlYWw=\n-----END CERTIFICATE-----\n';
const env = { WHEELKEEP_UPSTREAM: UPSTREAM };

test('proxies come from the usual variables in both cases; small letters win, ALL_PROXY fills in', async (t) => {
  const proxyOf = async (variables: Record<string, string>) =>
    (await load(t, { env: { ...env, ...variables } })).config.proxy;
  assert.deepEqual(await proxyOf({}), { noProxy: '' });
  assert.deepEqual(
    await proxyOf({
      HTTPS_PROXY: 'http://big.example:3128',
      https_proxy: 'small.example:3129',
      NO_PROXY: '.corp.example',
    }),
    { https: 'http://small.example:3129/', noProxy: '.corp.example' },
  );
  assert.deepEqual(await proxyOf({ ALL_PROXY: 'http://all.example:1', HTTP_PROXY: 'http://plain.example:2' }), {
    http: 'http://plain.example:2/',
    https: 'http://all.example:1/',
    noProxy: '',
  });
});

test('a proxy that cannot be one is refused without its password', async (t) => {
  const lines = await refusal(t, { env: { ...env, all_proxy: 'socks5://u:canary@proxy.example:1080' } });
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, /^all_proxy = socks5:\/\/\*\*\*@proxy.example:1080: expected an http or https proxy/);
});

test('certificate authorities come from ca_file and from what other programs were told, each file once', async (t) => {
  const files = { 'ca.pem': PEM, 'other.pem': `${PEM}second`, 'node.pem': `${PEM}third` };
  const loaded = await load(t, {
    files: { ...files, 'wheelkeep.yaml': 'ca_file: ca.pem\n' },
    env,
  });
  assert.deepEqual(loaded.config.extraCertificates, [PEM]);
  const ambient = await load(t, {
    files: { 'wheelkeep.yaml': `ca_file: ${join(loaded.folder, 'ca.pem')}\n` },
    env: {
      ...env,
      SSL_CERT_FILE: join(loaded.folder, 'ca.pem'),
      REQUESTS_CA_BUNDLE: join(loaded.folder, 'other.pem'),
      PIP_CERT: join(loaded.folder, 'node.pem'),
      NODE_EXTRA_CA_CERTS: join(loaded.folder, 'node.pem'),
    },
  });
  assert.deepEqual(ambient.config.extraCertificates, [PEM, `${PEM}second`]);
  assert.deepEqual(ambient.warnings, []);
});

test('a wrong ca_file stops the start, a wrong variable of other programs earns a warning', async (t) => {
  const files = { 'empty.pem': 'nothing' };
  const lines = await refusal(t, { files, env: { ...env, WHEELKEEP_CA_FILE: 'empty.pem' } });
  assert.equal(lines.length, 1);
  assert.match(
    lines[0]!,
    /^ca_file = \S+empty.pem \(WHEELKEEP_CA_FILE\): holds no PEM certificate; expected a PEM file/,
  );
  const { config, warnings } = await load(t, { env: { ...env, PIP_CERT: '/nowhere/ca.pem' } });
  assert.deepEqual(config.extraCertificates, []);
  assert.match(warnings.join(), /^PIP_CERT=\/nowhere\/ca.pem cannot be read \(ENOENT\)/);
});
