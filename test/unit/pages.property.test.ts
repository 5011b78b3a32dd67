import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fileKey, fileLink, fileUrlOf } from '../../src/pages/file-links.ts';
import { InvalidPage } from '../../src/pages/invalid-page.ts';
import type { FileRecord, ProjectDetail } from '../../src/pages/page.ts';
import { parsePage, renderProjectDetail } from '../../src/pages/page-reader.ts';
import { type ProjectName, parseProjectName } from '../../src/pages/project-name.ts';

const URL_OF_PAGE = 'https://index.example/simple/demo/';

function read(body: Buffer | string, contentType: string): ProjectDetail {
  return parsePage({ body: Buffer.from(body), contentType, url: URL_OF_PAGE, expectedName: 'demo' as ProjectName });
}

const verbatim = { fileLink: (url: string) => url };
const hex = fc.stringMatching(/^[0-9a-f]{8}$/);
const text = fc.string({ unit: 'grapheme', maxLength: 20 });
const hashes = fc.dictionary(fc.constantFrom('sha256', 'sha512', 'md5', 'blake2b', '__proto__', 'constructor'), hex);
const filename = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
  .map(
    (name) => `${name.replace(/[/\\\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '_')}-1.zip`,
  );
const unknownKey = fc.oneof(
  fc.constantFrom('__proto__', 'constructor', 'toString', 'x"<y>'),
  text.filter((key) => !/^\d+$/.test(key)),
);

/** A file as an upstream may send it: known keys, and unknown ones with any value. */
const file = fc
  .tuple(
    fc.record(
      {
        filename,
        hashes,
        size: fc.nat(),
        'upload-time': fc
          .date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) })
          .map((at) => at.toISOString()),
        'requires-python': fc.option(text),
        'core-metadata': fc.oneof(fc.boolean(), hashes),
        yanked: fc.oneof(fc.boolean(), text),
        'gpg-sig': fc.boolean(),
        provenance: fc.option(text),
      },
      { requiredKeys: ['filename', 'hashes'] },
    ),
    fc.dictionary(unknownKey, fc.jsonValue({ maxDepth: 3 }), { maxKeys: 3 }),
  )
  .map(([known, unknown]) => {
    const { hashes: _hashes, ...rest } = unknown;
    return { ...rest, ...known, url: `https://files.example/p/${encodeURIComponent(known.filename.toWellFormed())}` };
  });

const page = fc.record({
  meta: fc.record({ 'api-version': fc.constant('1.4'), '_last-serial': fc.nat() }),
  name: fc.constant('demo'),
  files: fc.array(file, { maxLength: 5 }),
  versions: fc.array(text),
  'x-unknown': fc.jsonValue({ maxDepth: 3 }),
});

test('a JSON page comes out as it went in', () => {
  fc.assert(
    fc.property(page, (upstream) => {
      const sent = JSON.stringify(upstream);
      assert.equal(renderProjectDetail(read(sent, 'application/json'), 'json', verbatim).toString(), sent);
    }),
  );
});

/** What HTML can carry of a file. */
function inHtml(record: FileRecord): unknown {
  const { filename, url, requiresPython, yanked, gpgSig, provenance } = record;
  const claim = record.coreMetadata === undefined ? false : record.coreMetadata !== false;
  return { filename, url, requiresPython, yanked: yanked === '' ? false : yanked, gpgSig, provenance, claim };
}

/** HTML knows no NUL and no lone surrogates. */
const withoutNul = (value: unknown): string => JSON.stringify(value).replaceAll('\\u0000', '\ufffd');

test('a page keeps in HTML what HTML can carry', () => {
  fc.assert(
    fc.property(page, (upstream) => {
      const fromJson = read(JSON.stringify(upstream), 'application/json');
      const fromHtml = read(renderProjectDetail(fromJson, 'html', verbatim), 'text/html');
      assert.equal(withoutNul(fromHtml.files.map(inHtml)), withoutNul(fromJson.files.map(inHtml)));
      assert.equal(fromHtml.serial, fromJson.serial);
    }),
  );
});

test('a page read from HTML renders to the same HTML for ever', () => {
  fc.assert(
    fc.property(page, (upstream) => {
      const first = renderProjectDetail(read(JSON.stringify(upstream), 'application/json'), 'html', verbatim);
      const second = renderProjectDetail(read(first, 'text/html'), 'html', verbatim);
      assert.equal(second.toString(), first.toString());
    }),
  );
});

test('no text of a page becomes markup: every line of links has one form', () => {
  const line = /^<a href="[^"<>]*"(?: [a-z0-9_.-]+="[^"<>]*")*>[^<>"]*<\/a><br \/>$/;
  const hostile = fc.constantFrom(
    '"><script>alert(1)</script>',
    "' onclick='x",
    '</a><a href="x">',
    '\n<a href="">',
    '&lt;',
    '-->',
  );
  fc.assert(
    fc.property(file, hostile, hostile, (upstream, first, second) => {
      const files = [
        { ...upstream, 'requires-python': first, yanked: second, provenance: first, hashes: { sha256: second } },
      ];
      const sent = JSON.stringify({ files, 'project-status': { status: first, reason: second } });
      const html = renderProjectDetail(read(sent, 'application/json'), 'html', verbatim).toString();
      const lines = html.split('\n');
      assert.equal(lines.filter((candidate) => line.test(candidate)).length, 1);
      assert.equal(html.match(/<(?!\/?(?:html|head|meta|title|body|h1|a|br)\b|!DOCTYPE)/g), null);
      assert.equal(lines.length, 14);
    }),
  );
});

test('any bytes are a page or an InvalidPage, never another error', () => {
  const piece = fc.constantFrom(
    '<a href="',
    'x-1.zip',
    '#sha256=',
    '">',
    '</a>',
    '<base href="',
    '<meta name="',
    '<!--',
    '{"files":[',
    '{',
    ']}',
    '&#0',
    '%',
  );
  const soup = fc.array(fc.oneof(piece, text), { maxLength: 20 }).map((parts) => Buffer.from(parts.join('')));
  const body = fc.oneof(
    soup,
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  );
  fc.assert(
    fc.property(
      body,
      fc.constantFrom('text/html', 'application/json', 'text/html; charset=utf-16', ''),
      (bytes, type) => {
        try {
          const parsed = read(bytes, type);
          renderProjectDetail(parsed, 'html', verbatim);
          renderProjectDetail(parsed, 'json', verbatim);
        } catch (error) {
          assert.ok(error instanceof InvalidPage, String(error));
        }
      },
    ),
  );
});

test('every link of a page leads back to its URL, whichever characters are escaped on the way', () => {
  fc.assert(
    fc.property(filename, fc.boolean(), (name, escapeAll) => {
      const url = read(
        JSON.stringify({ files: [{ filename: 'a', url: `https://h.example/p/${name.toWellFormed()}` }] }),
        'application/json',
      ).files[0]?.url;
      fc.pre(url !== undefined && !url.includes('?'));
      const path = fileLink(url).slice('../../files/https/h.example'.length);
      const asked = escapeAll ? path.replace(/[!'()*+~]/g, (c) => `%${c.charCodeAt(0).toString(16)}`) : path;
      const back = fileUrlOf('https', 'h.example', asked);
      assert.ok(back !== undefined);
      assert.equal(fileKey(back), fileKey(url));
      if (!escapeAll) assert.equal(back, url);
    }),
  );
});

test('normalising a name twice is normalising it once', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[A-Za-z0-9._-]{1,40}$/), (name) => {
      const once = parseProjectName(name);
      if (once !== undefined) assert.deepEqual(parseProjectName(once.name), { name: once.name, canonical: true });
    }),
  );
});
