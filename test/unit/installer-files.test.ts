// What uv's and pip's own files say of the index and of the way there is obeyed, or it is said that it is not.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { findDefaultUpstream } from '../../src/config/default-upstream.ts';
import { uvConfigPaths } from '../../src/config/uv-files.ts';
import { bareMachine, folderWith, load } from '../support/proxy/config-world.ts';
import { certificateAuthority } from '../support/upstream/certificates.ts';

const files = (contents: Record<string, string>) => async (path: string) => contents[path];

async function found(env: Record<string, string>, contents: Record<string, string>, own = 'http://127.0.0.1:5030/') {
  const machine = bareMachine({ env, readText: files(contents) });
  const result = await findDefaultUpstream(machine, (url) => url.startsWith(own));
  return result && [result.upstream.url, result.foundIn];
}

const USER = '/home/me/.config/uv/uv.toml';
const HOME = { HOME: '/home/me' };

test("uv's files of user and system name the index, in each way that uv knows", async () => {
  const ways = [
    '[[index]]\nname = "extra"\nurl = "https://extra.example/simple"\n\n[[index]]\nurl = "https://uv.example/simple"\ndefault = true',
    'index-url = "https://uv.example/simple/"',
    '[pip]\nindex-url = "https://uv.example/simple"',
    'index-url = "https://weaker.example/"\n[[index]]\nname="x"\nurl="https://uv.example/simple"\ndefault=true',
  ];
  for (const text of ways) {
    assert.deepEqual(await found(HOME, { [USER]: text }), ['https://uv.example/simple/', USER], text);
    assert.deepEqual(await found(HOME, { '/etc/uv/uv.toml': text }), ['https://uv.example/simple/', '/etc/uv/uv.toml']);
    assert.deepEqual(await found({ ...HOME, UV_NO_CONFIG: '1' }, { [USER]: text }), undefined);
    assert.deepEqual(await found({ UV_CONFIG_FILE: '/srv/uv.toml' }, { '/srv/uv.toml': text, [USER]: ways[1]! }), [
      'https://uv.example/simple/',
      '/srv/uv.toml',
    ]);
  }
  const both = { [USER]: ways[1]!, '/etc/uv/uv.toml': 'index-url = "https://system.example/"' };
  assert.deepEqual(await found(HOME, both), ['https://uv.example/simple/', USER]);
  assert.deepEqual(await found({ ...HOME, PIP_INDEX_URL: 'https://pip.example/' }, both), [
    'https://pip.example/',
    'PIP_INDEX_URL',
  ]);
  assert.deepEqual(uvConfigPaths({ XDG_CONFIG_HOME: '/c', XDG_CONFIG_DIRS: '/a:/b' }), [
    '/c/uv/uv.toml',
    '/a/uv/uv.toml',
    '/b/uv/uv.toml',
    '/etc/uv/uv.toml',
  ]);
});

test('a uv.toml that names ourselves, nothing or garbage is passed over', async () => {
  const pip = { '/etc/pip.conf': '[global]\nindex-url = https://pip.example/simple' };
  for (const text of [
    'index-url = "http://127.0.0.1:5030/simple/"',
    '[[index]]\nurl = "https://extra.example/simple"',
    'index = "x"\npip = 3',
    'index-url = 7',
    'this is [no TOML',
    '',
  ]) {
    assert.deepEqual(
      await found(HOME, { [USER]: text, ...pip }),
      ['https://pip.example/simple/', '/etc/pip.conf'],
      text,
    );
  }
});

test("pip's proxy and cert are obeyed where we ask pip's index", async (t) => {
  const authority = certificateAuthority();
  const folder = await folderWith(t, { 'ca.pem': authority.cert });
  const cert = join(folder, 'ca.pem');
  const conf = `[global]\nindex-url = https://pip.example/simple\nproxy = http://me:pw@proxy.example:3128\ncert = ${cert}`;
  const machine = { readText: files({ '/etc/pip.conf': conf }) };
  const { config, warnings } = await load(t, { machine });
  assert.deepEqual(config.proxy, {
    http: 'http://me:pw@proxy.example:3128/',
    https: 'http://me:pw@proxy.example:3128/',
    noProxy: '',
  });
  assert.deepEqual(config.extraCertificates, [authority.cert]);
  assert.deepEqual(warnings, []);
  const named = await load(t, { machine, env: { HTTPS_PROXY: 'http://other.example:1' } });
  assert.deepEqual(named.config.proxy, { https: 'http://other.example:1/', noProxy: '' });
  const variable = await load(t, { machine, env: { PIP_PROXY: 'proxy2.example:8080', NO_PROXY: 'x.example' } });
  assert.deepEqual(variable.config.proxy, {
    http: 'http://proxy2.example:8080/',
    https: 'http://proxy2.example:8080/',
    noProxy: 'x.example',
  });
});

test('what is not taken from pip is said, without its secrets', async (t) => {
  const conf =
    '[global]\nproxy = http://me:s3cret@proxy.example:3128\ncert = /nowhere/ca.pem\nclient-cert = /nowhere/me.pem';
  const machine = { readText: files({ '/etc/pip.conf': conf }) };
  const { config, warnings } = await load(t, { machine, env: { WHEELKEEP_UPSTREAM: 'https://index.example/simple/' } });
  assert.deepEqual(config.proxy, { noProxy: '' });
  const said = warnings.join('\n');
  assert.match(said, /\/etc\/pip\.conf: proxy=http:\/\/\*\*\*@proxy\.example:3128 is pip's alone.*HTTPS_PROXY/);
  assert.match(said, /\/etc\/pip\.conf: cert=\/nowhere\/ca\.pem cannot be read/);
  assert.match(said, /\/etc\/pip\.conf: client-cert=\/nowhere\/me\.pem/);
  assert.doesNotMatch(said, /s3cret/);
});

const isRoot = process.getuid?.() === 0;
test('a user that no account describes, without HOME, loads its configuration', {
  skip: isRoot ? false : 'needs root',
}, () => {
  const program = `
    process.setuid(54321);
    const { CredentialsReader } = await import(${JSON.stringify(new URL('../../src/config/credentials.ts', import.meta.url).href)});
    const reader = new CredentialsReader({ env: {}, folder: '/' });
    console.log(await reader.fromNetrc('https://index.example/'));`;
  const env = { PATH: process.env.PATH ?? '' };
  // The sources may lie where only root reads: then there is nothing to see here.
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', program], { env, cwd: '/' });
  assert.equal(String(output).trim(), 'undefined');
});
