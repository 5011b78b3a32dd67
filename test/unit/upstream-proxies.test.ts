import assert from 'node:assert/strict';
import { test } from 'node:test';
import { proxyChooser } from '../../src/net/proxies.ts';

function chosen(noProxy: string, url: string): string | undefined {
  const choose = proxyChooser({ http: 'plain.example:3128', https: 'http://secure.example:3129', noProxy });
  return choose(new URL(url))?.host;
}

test('the target scheme chooses the proxy, and none is used when none is set', () => {
  assert.equal(chosen('', 'http://index.example/'), 'plain.example:3128');
  assert.equal(chosen('', 'https://index.example/'), 'secure.example:3129');
  assert.equal(proxyChooser({ noProxy: '' })(new URL('https://index.example/')), undefined);
  assert.equal(proxyChooser({ https: '', noProxy: '' })(new URL('https://index.example/')), undefined);
});

for (const [noProxy, url, direct] of [
  ['*', 'https://index.example/', true],
  ['index.example', 'https://index.example/', true],
  ['index.example', 'https://INDEX.example/', true],
  ['index.example', 'https://sub.index.example/', true],
  ['.index.example', 'https://sub.index.example/', true],
  ['*.index.example', 'https://sub.index.example/', true],
  ['index.example', 'https://notindex.example/', false],
  ['a.example, index.example', 'https://index.example/', true],
  ['a.example index.example', 'https://index.example/', true],
  ['index.example:443', 'https://index.example/', true],
  ['index.example:8443', 'https://index.example/', false],
  ['10.0.0.0/8', 'https://10.1.2.3/', true],
  ['10.0.0.0/8', 'https://11.1.2.3/', false],
  ['fd00::/8', 'https://[fd00::1]/', true],
  ['::1', 'http://[::1]:8080/', true],
  ['[::1]:8080', 'http://[::1]:8080/', true],
  ['127.0.0.1', 'http://127.0.0.1:9000/', true],
  ['0.1', 'http://10.0.0.1/', false],
] as const) {
  test(`NO_PROXY=${noProxy}: ${url} goes ${direct ? 'directly' : 'through the proxy'}`, () => {
    assert.equal(chosen(noProxy, url) === undefined, direct);
  });
}

test('a proxy of a scheme that we do not speak is refused at once', () => {
  assert.throws(() => proxyChooser({ https: 'socks5://proxy.example', noProxy: '' }), /socks5/);
});
