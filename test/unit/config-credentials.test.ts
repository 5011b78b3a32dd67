// Where credentials come from, and that each upstream gets its own.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { netrcCredentials } from '../../src/config/credentials.ts';
import { load, refusal, UPSTREAM } from '../support/proxy/config-world.ts';

const basic = (user: string, password: string) => ({ kind: 'basic', user, password });

test('credentials come from files, variables and the URL, nearest first', async (t) => {
  const { config } = await load(t, {
    files: {
      'secrets/internal': 'robot:with:colon\n',
      'secrets/token': 'abc.def\n',
      'wheelkeep.yaml': `
indexes:
  internal:
    credentials: { basic_file: secrets/internal }
    upstreams:
      - https://internal.example/simple/
      - { url: https://other.example/simple/, credentials: { bearer_file: secrets/token } }
  public:
    upstreams: [https://user:word@index.example/simple/]
raw:
  builds: { origin: https://builds.example/, credentials: { bearer: "\${TOKEN}" } }
  tools: { origin: https://tools.example/, credentials: { basic: "me:\${TOKEN}" } }
`,
    },
    env: { TOKEN: 't0ken' },
  });
  const [internal, open] = config.indexes;
  assert.deepEqual(
    internal?.upstreams.map((upstream) => upstream.credentials),
    [basic('robot', 'with:colon'), { kind: 'bearer', token: 'abc.def' }],
  );
  assert.deepEqual(open?.upstreams, [{ url: UPSTREAM, credentials: basic('user', 'word') }]);
  assert.deepEqual(
    config.raw.map((mount) => mount.credentials),
    [{ kind: 'bearer', token: 't0ken' }, basic('me', 't0ken')],
  );
});

test('netrc gives an upstream what nothing else gave, as it does for pip', async (t) => {
  const netrc = 'machine index.example login me password secret\n';
  const home = await load(t, { files: { '.netrc': netrc }, env: { WHEELKEEP_UPSTREAM: UPSTREAM } });
  assert.deepEqual(home.config.indexes[0]?.upstreams[0]?.credentials, basic('me', 'secret'));
  const url = { WHEELKEEP_UPSTREAM: 'https://you:own@index.example/simple/' };
  const named = await load(t, { files: { '.netrc': netrc }, env: url });
  assert.deepEqual(named.config.indexes[0]?.upstreams[0]?.credentials, basic('you', 'own'));
  const other = await load(t, { files: { '.netrc': netrc }, env: { WHEELKEEP_UPSTREAM: 'https://other.example/' } });
  assert.equal(other.config.indexes[0]?.upstreams[0]?.credentials, undefined);
});

test('credentials that cannot be had are mistakes, told without their content', async (t) => {
  const lines = await refusal(t, {
    files: {
      canary: 'canary without a colon',
      spaced: 'two canaries',
      'wheelkeep.yaml': `
indexes:
  a: { upstreams: [https://a.example/], credentials: { basic_file: gone } }
  b: { upstreams: [https://b.example/], credentials: { basic_file: canary } }
  c: { upstreams: [https://c.example/], credentials: { bearer: "\${MISSING}" } }
  d: { upstreams: [https://d.example/], credentials: { netrc: true } }
  e: { upstreams: [https://e.example/], credentials: { bearer_file: spaced } }
`,
    },
  });
  assert.deepEqual(
    lines.map((line) => line.replace(/ in \S+$/, '')),
    [
      'indexes.a.credentials (wheelkeep.yaml line 3): basic_file: gone cannot be read (ENOENT)',
      'indexes.b.credentials (wheelkeep.yaml line 4): basic_file: expected user:password',
      'indexes.c.credentials (wheelkeep.yaml line 5): the variable MISSING is not set',
      'indexes.d.credentials (wheelkeep.yaml line 6): netrc: no entry for d.example',
      'indexes.e.credentials (wheelkeep.yaml line 7): bearer_file: expected one token without blanks',
    ],
  );
});

test('exactly one kind of credentials is accepted', async (t) => {
  const yaml = `indexes: { a: { upstreams: [${UPSTREAM}], credentials: { bearer: canary, basic: canary } } }\n`;
  const lines = await refusal(t, { files: { 'wheelkeep.yaml': yaml } });
  assert.match(lines.join('\n'), /expected exactly one of basic_file, bearer_file, basic, bearer and netrc: true/);
  assert.doesNotMatch(lines.join('\n'), /canary/);
});

test('netrc is read with its quotes, comments, macros and default entry', () => {
  const content = `# machine commented.example login no password no
machine one.example
  login first password "a \\"b\\" c"
macdef init
  machine two.example login macro password macro

machine two.example login second account x password p
machine ONE.example login later password later
default login anyone password else
`;
  assert.deepEqual(netrcCredentials(content, 'one.example'), basic('first', 'a "b" c'));
  assert.deepEqual(netrcCredentials(content, 'two.example'), basic('second', 'p'));
  assert.deepEqual(netrcCredentials(content, 'commented.example'), basic('anyone', 'else'));
  assert.equal(netrcCredentials('machine a.example login x password y', 'b.example'), undefined);
});
