import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const GUARD = fileURLToPath(new URL('../support/network-guard.ts', import.meta.url));

/** Runs a program under the guard, in a process that is not a test itself. */
function guarded(program: string): { readonly status: number | null; readonly stderr: string } {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const args = ['--import', GUARD, '--input-type=module', '--eval', program];
  return spawnSync(process.execPath, args, { encoding: 'utf8', env });
}

describe('the network guard', () => {
  it('lets loopback through', () => {
    const program = `
      import { createServer, connect } from 'node:net';
      const server = createServer((socket) => socket.end('x')).listen(0, '127.0.0.1', () => {
        connect(server.address().port, 'localhost').on('connect', () => { console.error('reached'); server.close(); }).resume();
      });`;
    const { status, stderr } = guarded(program);
    assert.match(stderr, /reached/);
    assert.equal(status, 0);
  });

  const attempts: Readonly<Record<string, string>> = {
    'a connection by address': `import { connect } from 'node:net'; connect(80, '192.0.2.1').on('error', () => {});`,
    'a look-up of a name': `import { get } from 'node:http'; get('http://index.example/').on('error', () => {});`,
    'an awaited look-up': `import { lookup } from 'node:dns/promises'; await lookup('index.example').catch(() => {});`,
    'a client with a resolver of its own': `
      import { connect } from 'node:net';
      const lookup = (name, options, done) => done(null, [{ address: '192.0.2.1', family: 4 }]);
      connect({ host: 'index.example', port: 80, lookup }).on('error', () => {});`,
    'fetch()': `await fetch('http://192.0.2.1/').catch(() => {});`,
  };
  for (const [title, program] of Object.entries(attempts)) {
    it(`refuses ${title} at once and fails the process although the error was swallowed`, () => {
      const { status, stderr } = guarded(program);
      assert.equal(status, 1);
      assert.match(stderr, /tests may contact loopback only.*\n(connect to 192\.0\.2\.1|look up index\.example)/);
    });
  }
});
