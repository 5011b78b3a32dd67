// What an upstream can send in the place of a right answer: heads, framing and bodies spoiled at random places. Each
// comes with what a careful reader must think of it, so that a test can say whether we were taken in.

import { gunzipSync } from 'node:zlib';
import { fieldValue, withField, withoutFields } from '../../src/core/http-message.ts';
import { type Answer, headBytes } from '../support/upstream/fake-server.ts';
import type { Random } from './random.ts';

export interface SpoiledAnswer {
  /** As they go over the wire; the connection is closed after them. */
  readonly bytes: Buffer;
  /**
   * `broken`: nobody may take this for an answer that has a body. `anything`: it may have become another right answer,
   * and only what is served of it can be judged.
   */
  readonly verdict: 'broken' | 'anything';
  readonly how: string;
}

type Spoiler = (random: Random, answer: Answer) => SpoiledAnswer;

export function spoiledAnswer(random: Random, answer: Answer): SpoiledAnswer {
  return random.pick(SPOILERS)(random, answer);
}

const NO_FRAMING = new Set(['content-length', 'transfer-encoding', 'connection']);

function broken(how: string, ...parts: readonly (string | Buffer)[]): SpoiledAnswer {
  return { bytes: Buffer.concat(parts.map((part) => Buffer.from(part as string))), verdict: 'broken', how };
}

function anything(how: string, ...parts: readonly (string | Buffer)[]): SpoiledAnswer {
  return { ...broken(how, ...parts), verdict: 'anything' };
}

/** A head with its own framing fields, in the form that faults use. */
function headOf({ status, fields }: Answer, ...framing: readonly string[]): string {
  return headBytes({ status, fields: [...withoutFields(fields, NO_FRAMING), ...framing] });
}

function sized(answer: Answer, length: number = answer.body.length): string {
  return headOf(answer, 'content-length', String(length));
}

const SPOILERS: readonly Spoiler[] = [
  // Framing.
  (random, answer) => {
    const kept = random.below(answer.body.length);
    return broken(`cut after ${kept}`, sized(answer), answer.body.subarray(0, kept));
  },
  (random, answer) => {
    const parts = chunks(random, answer.body);
    const cut = random.below(parts.length - 6);
    return broken(`chunks cut after ${cut}`, headOf(answer, 'transfer-encoding', 'chunked'), parts.subarray(0, cut));
  },
  (random, answer) => {
    const size = random.pick(['zz', '-1', 'ffffffffffffffffff', '', ' ', '0x10', `${'9'.repeat(40)}`, '\0']);
    return broken(`chunk of size ${size}`, headOf(answer, 'transfer-encoding', 'chunked'), `${size}\r\n`, answer.body);
  },
  (random, answer) => {
    const lengths = [
      `${answer.body.length}, ${answer.body.length + 1}`,
      '-5',
      '1e3',
      '0x10',
      'many',
      '9'.repeat(30),
      '+5',
    ];
    const length = random.pick(lengths);
    return broken(`content-length ${length}`, headOf(answer, 'content-length', length), answer.body);
  },
  (_random, answer) =>
    broken(
      'two lengths',
      headOf(answer, 'content-length', '7', 'content-length', String(answer.body.length)),
      answer.body,
    ),
  (random, answer) =>
    broken(
      'length and chunks',
      headOf(answer, 'content-length', '7', 'transfer-encoding', 'chunked'),
      chunks(random, answer.body),
    ),
  (random, answer) =>
    anything('right, in chunks', headOf(answer, 'transfer-encoding', 'chunked'), chunks(random, answer.body)),
  (random, answer) => anything('too long', sized(answer), answer.body, random.bytes(random.below(300))),
  (random, answer) => {
    const more = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}';
    return anything('a second answer', sized(answer), answer.body, random.pick([more, more.repeat(3)]));
  },
  // Heads.
  (random, answer) => {
    const lines = [
      'HTTP/1.1 200',
      'HTTP/9.9 200 OK',
      'HTTP/1.1 2000 OK',
      'HTTP/1.1 OK',
      '',
      'ICY 200 OK',
      '\0',
      'HTTP/1.1 -1 x',
    ];
    const line = random.pick(lines);
    const rest = sized(answer).split('\r\n').slice(1).join('\r\n');
    return anything(`status line ${line}`, `${line}\r\n`, rest, answer.body);
  },
  (random, answer) => {
    const head = Buffer.from(sized(answer));
    const at = random.below(head.length);
    head[at] = random.below(256);
    return anything(`head with byte ${at} as ${head[at]}`, head, answer.body);
  },
  (random, answer) => {
    const head = sized(answer);
    return broken('a cut head', head.slice(0, random.below(head.length - 4)));
  },
  (random, answer) => {
    const lines = [
      'x-split: a\r\n\r\nHTTP/1.1 200 OK',
      'no colon',
      'x y: z',
      ': z',
      'x: a\0b',
      'x: a\rb',
      '\tfolded',
      '__proto__: x',
      'constructor: x',
    ];
    const odd = random.pick(lines);
    return anything(`field ${odd}`, sized(answer).replace('\r\n', `\r\n${odd}\r\n`), answer.body);
  },
  (random, answer) => {
    const line = random.pick([`x: ${'a'.repeat(100_000)}\r\n`, 'x: a\r\n'.repeat(3_000)]);
    return broken('a huge head', sized(answer).replace('\r\n', `\r\n${line}`), answer.body);
  },
  (random, answer) => {
    const name = random.pick([
      'etag',
      'last-modified',
      'cache-control',
      'date',
      'age',
      'vary',
      'x-pypi-last-serial',
      'expires',
    ]);
    const values = [
      '',
      '"',
      'W/',
      '-1',
      '9'.repeat(30),
      'max-age=9e9',
      'Thu, 99 Foo 0000',
      '*',
      '\xff\xfe',
      ',,,,',
      '__proto__',
    ];
    const value = random.pick(values);
    return anything(
      `${name}: ${value}`,
      sized({ ...answer, fields: withField(answer.fields, name, value) }),
      answer.body,
    );
  },
  // Meanings.
  (random, answer) => {
    const status = random.pick([100, 101, 102, 199, 201, 203, 204, 205, 206, 300, 303, 305, 399, 400, 401, 407, 418]);
    return broken(
      `status ${status}`,
      headBytes({ ...answer, status }),
      sized(answer).split('\r\n').at(-3) ?? '',
      '\r\n',
    );
  },
  (random, answer) => {
    const status = random.pick([500, 502, 503, 599, 999]);
    return broken(`status ${status}`, sized({ ...answer, status }), answer.body);
  },
  (random, answer) => {
    const location = random.pick([
      '',
      '//',
      'file:///etc/passwd',
      'http://169.254.169.254/',
      'javascript:1',
      '\0',
      '?',
      `//${'x'.repeat(9_000)}/`,
    ]);
    const redirect = { ...answer, status: 302, fields: ['location', location], body: Buffer.alloc(0) };
    return broken(`to ${location.slice(0, 40)}`, sized(redirect));
  },
  // Bodies.
  (random, answer) => {
    const type = random.pick([
      'text/plain',
      'image/png',
      'application/xml',
      'application/json; charset=utf-16',
      '',
      '/',
    ]);
    return anything(
      `type ${type}`,
      sized({ ...answer, fields: withField(answer.fields, 'content-type', type) }),
      answer.body,
    );
  },
  (random, answer) => {
    const coding = random.pick(['gzip', 'br', 'deflate', 'zstd', 'gzip, gzip', 'x', 'identity, x']);
    const fields = withField(answer.fields, 'content-encoding', coding);
    return anything(`coding ${coding}`, sized({ ...answer, fields }), plainBody(answer));
  },
  (random, answer) => {
    const body = Buffer.from(answer.body);
    for (let i = 1 + random.below(4); i > 0; i -= 1) body[random.below(body.length)] = random.below(256);
    return anything('bytes changed', sized(answer), body);
  },
  (random, answer) => spoiledText(random, answer),
  (random, answer) => spoiledText(random, answer),
  (random) => anything('noise', random.bytes(random.below(2_000))),
];

/** The body uncoded, with pieces that parsers trip over put into it. */
function spoiledText(random: Random, answer: Answer): SpoiledAnswer {
  const pieces = [
    '"',
    '{',
    '}',
    '[',
    ']',
    ',',
    '\\',
    '\\u0000',
    '\\ud800',
    '\0',
    '\xff',
    'null',
    '1e999',
    '-',
    '{"__proto__":{}}',
  ];
  pieces.push(
    '"'.repeat(50),
    '['.repeat(20_000),
    '{"a":'.repeat(20_000),
    '<',
    '</a>',
    '<!--',
    '<a href="',
    '&#x110000;',
    '<base href="//x">',
  );
  let body = plainBody(answer).toString('latin1');
  for (let i = 1 + random.below(3); i > 0; i -= 1) {
    const at = random.below(body.length + 1);
    const until = random.chance(0.3) ? at + random.below(body.length - at + 1) : at;
    body = body.slice(0, at) + random.pick(pieces) + body.slice(until);
  }
  const bytes = Buffer.from(body, 'latin1');
  const uncoded = { ...answer, fields: withoutFields(answer.fields, new Set(['content-encoding'])), body: bytes };
  return {
    ...anything('pieces put in', sized(uncoded), bytes),
    verdict: isJsonPage(answer, bytes) ? 'anything' : 'broken',
  };
}

/** For pages in JSON a careful reader can say at once what is none; of other bodies he says nothing. */
function isJsonPage(answer: Answer, bytes: Buffer): boolean {
  if (!(fieldValue(answer.fields, 'content-type') ?? '').includes('json')) return true;
  try {
    const page = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as {
      readonly files?: unknown;
    } | null;
    return Array.isArray(page?.files);
  } catch {
    return false;
  }
}

function plainBody({ fields, body }: Answer): Buffer {
  return fieldValue(fields, 'content-encoding') === 'gzip' ? gunzipSync(body) : body;
}

function chunks(random: Random, body: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; ) {
    const part = body.subarray(at, at + 1 + random.below(body.length));
    const extension = random.chance(0.2) ? ';a="b"' : '';
    parts.push(Buffer.from(`${part.length.toString(16)}${extension}\r\n`), part, Buffer.from('\r\n'));
    at += part.length;
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]);
}
