import assert from 'node:assert/strict';
import { it } from 'node:test';
import { NameRouting } from '../../src/pages/name-routing.ts';
import { parseProjectName } from '../../src/pages/project-name.ts';

const name = (text: string) => parseProjectName(text)!.name;

it('a bound name is asked at its index alone, and nowhere when that index is not among those asked', () => {
  const routing = new NameRouting([{ names: ['acme-*', 'secret'], index: 'internal' }]);
  const both = ['public', 'internal'];
  assert.deepEqual(routing.allowed(name('acme-tools'), both), ['internal']);
  assert.deepEqual(routing.allowed(name('Secret'), both), ['internal']);
  assert.deepEqual(routing.allowed(name('secret'), ['public']), []);
  assert.deepEqual(routing.allowed(name('acme'), both), both);
  assert.deepEqual(routing.allowed(name('secret-2'), both), both);
  assert.deepEqual(routing.allowed(name('my-acme-tools'), both), both);
});

it('patterns are normalised as names are, and stars match any run', () => {
  const plays: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    ['ACME_Tools', ['acme-tools', 'acme.tools'], ['acmetools']],
    ['acme.*', ['acme-x', 'acme-'.concat('a'.repeat(150))], ['acmex', 'acme']],
    ['*-internal', ['x-internal', 'a-b-internal'], ['internal', 'internal-x']],
    ['a*b**c', ['abc', 'a-x-b-y-c'], ['ab', 'acb']],
    ['*', ['anything'], []],
  ];
  for (const [pattern, bound, free] of plays) {
    const routing = new NameRouting([{ names: [pattern], index: 'internal' }]);
    for (const text of bound) assert.equal(routing.boundTo(name(text)), 'internal', `${pattern} ${text}`);
    for (const text of free) assert.equal(routing.boundTo(name(text)), undefined, `${pattern} ${text}`);
  }
});

it('the first route that matches decides, also between patterns', () => {
  const routing = new NameRouting([
    { names: ['a-*', 'same'], index: 'first' },
    { names: ['a-b-*', 'same'], index: 'second' },
  ]);
  assert.equal(routing.boundTo(name('a-b-c')), 'first');
  assert.equal(routing.boundTo(name('same')), 'first');
});

it('a pattern before an exact name decides as well', () => {
  const routing = new NameRouting([
    { names: ['acme-*'], index: 'internal' },
    { names: ['acme-open'], index: 'public' },
  ]);
  assert.equal(routing.boundTo(name('acme-open')), 'internal');
});

it('matching a long name against many stars takes no time', () => {
  const routing = new NameRouting([{ names: [`${'a*'.repeat(20)}b`], index: 'internal' }]);
  const started = performance.now();
  assert.equal(routing.boundTo(name('a'.repeat(200))), undefined);
  assert.ok(performance.now() - started < 100, `${performance.now() - started} ms`);
});
