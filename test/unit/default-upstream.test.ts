// The index that this machine's installers use, found in the order that design.md gives.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  builtInDefault,
  findDefaultUpstream,
  isOwnAddress,
  type Machine,
  pipConfigPaths,
} from '../../src/config/default-upstream.ts';
import { bareMachine, load, refusal } from '../support/proxy/config-world.ts';

const HELP = `  -i, --index-url <url>       Base URL of the Python Package Index (default
                              https://builtin.example/simple). This should
                              point to a repository compliant with PEP 503
  --timeout <sec>             Set the socket timeout (default 15 seconds).`;

async function found(given: Partial<Machine>, isOwn: (url: string) => boolean = () => false) {
  const result = await findDefaultUpstream(bareMachine(given), isOwn);
  return result && [result.upstream.url, result.foundIn];
}

const files = (contents: Record<string, string>) => async (path: string) => contents[path];

test('variables win over files, files over what pip was built with', async () => {
  const all = {
    env: {
      UV_DEFAULT_INDEX: 'https://uv.example/',
      UV_INDEX_URL: 'https://uv2.example/',
      PIP_INDEX_URL: 'https://pip.example/',
    },
    readText: files({ '/etc/pip.conf': '[global]\nindex-url = https://file.example/' }),
    pipInstallHelp: async () => HELP,
  };
  assert.deepEqual(await found(all), ['https://uv.example/', 'UV_DEFAULT_INDEX']);
  assert.deepEqual(await found({ ...all, env: { ...all.env, UV_DEFAULT_INDEX: '' } }), [
    'https://uv2.example/',
    'UV_INDEX_URL',
  ]);
  assert.deepEqual(await found({ ...all, env: { PIP_INDEX_URL: 'https://pip.example' } }), [
    'https://pip.example/',
    'PIP_INDEX_URL',
  ]);
  assert.deepEqual(await found({ ...all, env: {} }), ['https://file.example/', '/etc/pip.conf']);
  assert.deepEqual(await found({ pipInstallHelp: all.pipInstallHelp }), [
    'https://builtin.example/simple/',
    'the built-in default of pip',
  ]);
  assert.equal(await found({}), undefined);
});

test('what names ourselves, or no http address, is passed over', async () => {
  const own = (url: string) => url.startsWith('http://127.0.0.1:5030/');
  const machine = {
    env: { UV_DEFAULT_INDEX: 'http://127.0.0.1:5030/simple/', PIP_INDEX_URL: '/srv/wheels', HOME: '/home/me' },
    readText: files({
      '/home/me/.config/pip/pip.conf': '[global]\nindex-url = http://127.0.0.1:5030/simple/',
      '/etc/pip.conf': '[global]\nindex-url = https://file.example/simple/',
    }),
  };
  assert.deepEqual(await found(machine, own), ['https://file.example/simple/', '/etc/pip.conf']);
});

test("uv's notation name=URL is understood, and user information becomes credentials", async () => {
  const machine = bareMachine({ env: { UV_DEFAULT_INDEX: 'corp=https://me:word@index.example/simple' } });
  assert.deepEqual((await findDefaultUpstream(machine, () => false))?.upstream, {
    url: 'https://index.example/simple/',
    credentials: { kind: 'basic', user: 'me', password: 'word' },
  });
});

test("pip's files are read in pip's order: global, user, virtual environment, PIP_CONFIG_FILE", async () => {
  const env = { HOME: '/home/me', VIRTUAL_ENV: '/venv', PIP_CONFIG_FILE: '/named.conf' };
  const paths = pipConfigPaths(env, 'linux');
  assert.deepEqual(paths, [
    '/etc/xdg/pip/pip.conf',
    '/etc/pip.conf',
    '/home/me/.pip/pip.conf',
    '/home/me/.config/pip/pip.conf',
    '/venv/pip.conf',
    '/named.conf',
  ]);
  const contents = Object.fromEntries(paths.map((path, i) => [path, `[global]\nindex-url = https://i${i}.example/`]));
  for (let i = paths.length - 1; i >= 0; i--) {
    assert.deepEqual(await found({ env, readText: files(contents) }), [`https://i${i}.example/`, paths[i]]);
    delete contents[paths[i]!];
  }
  assert.deepEqual(pipConfigPaths({ ...env, PIP_CONFIG_FILE: '/dev/null' }, 'linux'), []);
});

test("pip's files may use sections, underscores, colons and comments", async () => {
  const inFile = (content: string) => found({ readText: files({ '/etc/pip.conf': content }) });
  assert.equal(
    (await inFile('[install]\nindex_url: https://a.example/\n[global]\nindex-url=https://b.example/'))?.[0],
    'https://a.example/',
  );
  assert.equal(
    (await inFile('[global]\n# index-url = https://no.example/\n--index-url = https://c.example/'))?.[0],
    'https://c.example/',
  );
  assert.equal(
    await inFile('[global]\nextra-index-url = https://no.example/\n[list]\nindex-url = https://no.example/'),
    undefined,
  );
});

test("pip's built-in default is read from its wrapped help, and nothing else there is mistaken for it", () => {
  assert.equal(builtInDefault(HELP), 'https://builtin.example/simple');
  assert.equal(builtInDefault('  --timeout <sec>  (default 15 seconds). See https://docs.example/'), undefined);
});

test('pip is asked once: afterwards its answer is remembered', async () => {
  let note: string | undefined;
  let asked = 0;
  const machine: Partial<Machine> = {
    remembered: async () => note,
    remember: async (url) => {
      note = `${url}\n`;
    },
    pipInstallHelp: async () => {
      asked++;
      return HELP;
    },
  };
  const first = await found(machine);
  const second = await found(machine);
  assert.deepEqual(
    [first?.[0], second?.[0], asked],
    ['https://builtin.example/simple/', 'https://builtin.example/simple/', 1],
  );
  assert.match(second![1]!, /asked at an earlier start/);
});

test('our own address is known by our port at loopback names, our host, our machine, and by the public URL', () => {
  const own = { host: '10.0.0.5', port: 5030, publicUrl: 'https://wheels.example/', hostname: 'builder' };
  for (const url of [
    'http://127.0.0.1:5030/simple/',
    'http://127.9.9.9:5030/',
    'http://localhost:5030/',
    'http://[::1]:5030/',
    'http://10.0.0.5:5030/',
    'http://builder:5030/',
    'https://wheels.example/simple/',
  ]) {
    assert.equal(isOwnAddress(url, own), true, url);
  }
  for (const url of ['http://127.0.0.1:5031/', 'https://index.example/simple/', 'http://10.0.0.6:5030/']) {
    assert.equal(isOwnAddress(url, own), false, url);
  }
  assert.equal(isOwnAddress('http://localhost/', { ...own, port: 80 }), true);
});

test('the start takes what was found and says where; with nothing found it says which variable to set', async (t) => {
  const { config } = await load(t, { env: { PIP_INDEX_URL: 'https://index.example/simple' } });
  assert.equal(config.indexes[0]?.upstreams[0]?.url, 'https://index.example/simple/');
  assert.equal(config.upstreamFoundIn, 'PIP_INDEX_URL');
  const lines = await refusal(t, {});
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, /set WHEELKEEP_UPSTREAM, for example to https:\/\/index.example\/simple\/$/);
});
