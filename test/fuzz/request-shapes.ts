// Requests that no installer sends: broken heads, two lengths, folded lines, escapes that climb, names of objects'
// insides, foreign hosts. Latin-1 text, one connection's worth each.

import type { Random } from './random.ts';

/** Projects that upstream has; anything else that reaches it by name must be one of the two lists. */
export const KNOWN = ['held', 'cold'];
export const UNKNOWN = ['constructor', 'tostring', 'nothing', 'a', '0'];
/** Stands only where it is part of a body, a field or a foreign line: whoever asks upstream for it was smuggled. */
export const SMUGGLED = 'smuggled';
/** In every field a client adds: none of it may reach upstream. */
export const CANARY = 'canary-b7e1';

const METHODS = ['GET', 'GET', 'GET', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE'];
const ODD_METHODS = ['CONNECT', 'PURGE', 'PROPFIND', 'M-SEARCH', 'get', 'GET\0', 'GETGETGET', '', 'QUERY', 'PRI', 'ü'];
const VERSIONS = ['HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0', 'HTTP/0.9', 'HTTP/2.0', 'HTTP/9.9', 'http/1.1', ''];
const ENDS = ['\r\n', '\r\n', '\r\n', '\n', '\r', '\r\r\n', '\n\r', '\r\n\0'];

/** What is put into a path: ways up, escapes once and twice, controls, and what other systems take for slashes. */
const PIECES = [
  '..',
  '.',
  '%2e%2e',
  '%252e%252e',
  '%2f',
  '%252f',
  '%5c',
  '\\',
  '%00',
  '\0',
  '%0d%0a',
  '\r',
  '\t',
  ' ',
  '%',
  '%zz',
  '%c0%ae',
  '%ff',
  'é',
  '\xff',
  ';',
  '//',
  '@',
  ':',
  '#',
  '?',
  '~',
  '__proto__',
  'constructor',
  'etc/passwd',
  'secret.txt',
];

const NAMES = [
  ...KNOWN,
  ...KNOWN,
  ...UNKNOWN,
  'HELD',
  'He_.Ld',
  'held.',
  '-held',
  '__proto__',
  'toString',
  'hasOwnProperty',
];

/** One connection's bytes. */
export function fuzzedRequest(random: Random, filePath: string): string {
  return random.pick([
    lineFuzz,
    lineFuzz,
    pathFuzz,
    pathFuzz,
    fieldFuzz,
    fieldFuzz,
    smuggling,
    absolute,
    huge,
    pipelined,
  ])(random, filePath);
}

function head(method: string, target: string, fields: readonly string[], body = ''): string {
  return `${method} ${target} HTTP/1.1\r\n${['host: x', ...fields].join('\r\n')}\r\n\r\n${body}`;
}

function path(random: Random, filePath: string): string {
  const name = random.pick(NAMES);
  return random.pick([
    () => `/simple/${name}/`,
    () => `/simple/${name}`,
    () => '/simple/',
    () => filePath,
    () => `${filePath}.metadata`,
    () => `/pypi/${name}/json`,
    () => `/integrity/${name}/1.0/${name}-1.0.tar.gz/provenance`,
    () => `/files/https/files.example/${name}-1.0.tar.gz`,
    () => `/default/simple/${name}/`,
    () =>
      random.pick([
        '/',
        '/metrics',
        '/-/live',
        '/-/ready',
        '/-/api/status',
        '/-/api/purge',
        '/legacy/',
        '/RPC2',
        '/raw/x/y',
      ]),
  ])();
}

function lineFuzz(random: Random, filePath: string): string {
  const method = random.chance(0.5) ? random.pick(METHODS) : random.pick(ODD_METHODS);
  const end = random.pick(ENDS);
  const gap = random.pick([' ', ' ', ' ', '  ', '\t', '\0', '']);
  const line = `${method}${gap}${path(random, filePath)}${gap}${random.pick(VERSIONS)}`;
  return `${random.chance(0.1) ? '\r\n\r\n' : ''}${line}${end}${fields(random).join(end)}${end}${end}`;
}

function pathFuzz(random: Random, filePath: string): string {
  let target = path(random, filePath);
  for (let i = 1 + random.below(4); i > 0; i -= 1) {
    const at = random.below(target.length + 1);
    const piece = random.chance(0.15) ? random.bytes(1 + random.below(3)).toString('latin1') : random.pick(PIECES);
    target = target.slice(0, at) + random.pick(['', '/']) + piece + target.slice(at);
  }
  return head(random.pick(METHODS.slice(0, 6)), target, ['connection: close']);
}

function fieldFuzz(random: Random, filePath: string): string {
  const odd = [
    `__proto__: ${CANARY}`,
    `constructor: ${CANARY}`,
    `: ${CANARY}`,
    `x y: ${CANARY}`,
    `x-a : ${CANARY}`,
    ` folded: ${CANARY}`,
    `x-a: b\r\n\tfolded ${CANARY}`,
    `x-nul: a\0${CANARY}`,
    `x-cr: a\rx-b: ${CANARY}`,
    `x-lf: a\nx-b: ${CANARY}`,
    `x-high: ${random
      .bytes(20)
      .toString('latin1')
      .replace(/[\r\n]/g, '.')}`,
    'no colon at all',
    `x-many: ${'a, '.repeat(random.below(500))}`,
    ...Array.from({ length: 3 }, () => `x-${random.below(9)}: ${CANARY}`),
  ];
  const lines = Array.from({ length: 1 + random.below(6) }, () => random.pick([...odd, ...fields(random)]));
  return head(random.pick(['GET', 'HEAD']), path(random, filePath), lines);
}

/** Fields that mean something, with values that mean nothing. */
function fields(random: Random): string[] {
  const values = [
    '',
    '*',
    '0',
    '-1',
    '"',
    '""',
    'bytes=0-',
    'bytes=-0',
    'bytes=9-1,2-3',
    `bytes=${'1-2,'.repeat(300)}`,
  ];
  values.push(
    '99999999999999999999',
    'no-cache, no-store',
    'Thu, 99 Foo 2026',
    'gzip;q=2',
    '*;q=x',
    'text/html;q=',
    CANARY,
  );
  const names = [
    'accept',
    'accept-encoding',
    'range',
    'if-range',
    'if-none-match',
    'if-modified-since',
    'cache-control',
  ];
  names.push(
    'expect',
    'te',
    'via',
    'cookie',
    'authorization',
    'x-forwarded-host',
    'forwarded',
    'x-http-method-override',
  );
  names.push(
    'upgrade',
    'connection',
    'referer',
    'user-agent',
    'from',
    'pragma',
    'max-forwards',
    'http2-settings',
    'host',
  );
  const count = random.below(5);
  return ['host: x', ...Array.from({ length: count }, () => `${random.pick(names)}: ${random.pick(values)}`)];
}

function smuggling(random: Random): string {
  const inner = `GET /simple/${SMUGGLED}/ HTTP/1.1\r\nhost: localhost\r\n\r\n`;
  // Not 0: what follows an empty body is the next request, and rightly so.
  const lengths = ['content-length: 5', `content-length: ${inner.length}`, 'content-length: +5'];
  lengths.push(
    'content-length: 5, 5',
    'content-length: 0x5',
    'content-length: -1',
    'content-length:',
    'content-length: 5 ',
  );
  const codings = ['transfer-encoding: chunked', 'transfer-encoding: identity', 'transfer-encoding: gzip, chunked'];
  codings.push('transfer-encoding: chunked, identity', 'transfer-encoding : chunked', 'transfer-encoding:\tchunked');
  codings.push('transfer-encoding: xchunked', 'transfer-encoding: chunked\0', 'transfer-encoding:\r\n chunked');
  const size = inner.length.toString(16);
  const chunked = [
    `${size}\r\n${inner}\r\n0\r\n\r\n`,
    `${size};ext="${'x'.repeat(random.below(50))}"\r\n${inner}\r\n0\r\n\r\n`,
    `0${size}\n${inner}\n0\n\n`,
    `ffffffffffffffff1\r\n${inner}`,
    `-1\r\n${inner}`,
    `${size}\r\n${inner}0\r\n\r\n`,
    `zz\r\n${inner}\r\n0\r\n\r\n`,
    `${size}\r\n${inner}\r\n0\r\nx-trailer: ${CANARY}\r\n\r\n`,
  ];
  const method = random.pick(['GET', 'HEAD', 'POST', 'PUT']);
  const target = random.pick(['/simple/held/', '/legacy/', '/metrics', '/nothing']);
  const both = random.below(3);
  const lines = [both === 0 ? random.pick(lengths) : random.pick(codings)];
  if (both > 0) lines.push(random.pick([...lengths, ...codings]));
  if (random.chance(0.5)) lines.reverse();
  const isChunked = lines.some((line) => line.includes('chunked'));
  return head(method, target, lines, isChunked ? random.pick(chunked) : inner);
}

function absolute(random: Random, filePath: string): string {
  const roots = [
    'http://other.example',
    'https://u:p@other.example:99',
    'HTTP://[::1]',
    'http:',
    'ftp://other.example',
  ];
  roots.push(
    'http://other.example\\',
    'http://other.example@',
    'file://',
    'javascript:',
    '//other.example',
    'http:///',
  );
  const hosts = [
    'other.example',
    'other.example:99',
    '',
    '\0',
    'a b',
    'http://x',
    '[::1',
    '"><script>',
    'x, y',
    CANARY,
  ];
  const target = random.pick(roots) + random.pick([path(random, filePath), '', '*', '?x=1', '#x']);
  const lines = [`host: ${random.pick(hosts)}`, `x-forwarded-host: ${random.pick(hosts)}`];
  return `${random.pick(METHODS)} ${target} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`;
}

function huge(random: Random, filePath: string): string {
  const size = 500 + random.below(70_000);
  return random.pick([
    () => head('GET', `/simple/${'a'.repeat(size)}/`, []),
    () => head('GET', `/simple/held/?${'%41'.repeat(size / 3)}`, []),
    () => head('GET', '/simple/held/', [`x-big: ${CANARY.repeat(size / CANARY.length)}`]),
    () =>
      head(
        'GET',
        path(random, filePath),
        Array.from({ length: size / 20 }, (_, i) => `x-${i}: ${CANARY}`),
      ),
    () => `${'G'.repeat(size)} / HTTP/1.1\r\n\r\n`,
    () => `GET /simple/held/ HTTP/1.1\r\nhost: localhost\r\n`,
  ])();
}

/** Several on one connection, the last of them sometimes unfinished. */
function pipelined(random: Random, filePath: string): string {
  const all = Array.from({ length: 2 + random.below(4) }, () =>
    head('GET', path(random, filePath), fields(random)),
  ).join('');
  return random.chance(0.3) ? all.slice(0, all.length - random.below(40)) : all;
}
