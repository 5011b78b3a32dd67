// Which representation of an index page a client gets (PEP 691 version and format selection) and in which content
// coding (RFC 9110 12.5). Pure and cheap; the caller remembers answers by header text.

/** `html` and `v1-html` are the same bytes under two names. */
export type PageFormat = 'json' | 'v1-html' | 'html';

/** `Content-Type` of each format. The JSON type has no charset parameter: some consumers compare for equality. */
export const CONTENT_TYPES: Readonly<Record<PageFormat, string>> = {
  json: 'application/vnd.pypi.simple.v1+json',
  'v1-html': 'application/vnd.pypi.simple.v1+html',
  html: 'text/html; charset=utf-8',
};

/** What clients may ask for; `latest` exists in requests only and is answered with the type of version 1. */
const FORMAT_OF_TYPE: ReadonlyMap<string, PageFormat> = new Map([
  ['application/vnd.pypi.simple.v1+json', 'json'],
  ['application/vnd.pypi.simple.latest+json', 'json'],
  ['application/vnd.pypi.simple.v1+html', 'v1-html'],
  ['application/vnd.pypi.simple.latest+html', 'v1-html'],
  ['text/html', 'html'],
]);

/** On a tie the richest representation wins. */
const PREFERENCE: readonly PageFormat[] = ['json', 'v1-html', 'html'];

/**
 * The format for the `Accept` field and the `format` query value (raw or decoded: `+` may have become a space).
 * A known `format` wins, an unknown one is ignored. When nothing matches, `html`, as the public index does;
 * with `strict`, `none` (406). `*`/`*`, `text/*` and no field at all mean `html`: pipenv, easy_install and browsers send
 * those and read HTML only.
 */
export function negotiateFormat(accept: string | undefined, format?: string, strict = false): PageFormat | 'none' {
  const asked = format === undefined ? undefined : FORMAT_OF_TYPE.get(format.replaceAll(' ', '+').toLowerCase());
  if (asked !== undefined) return asked;

  const ranges = weigh(accept ?? '*/*');
  const named = new Map<PageFormat, number>();
  for (const [type, format] of FORMAT_OF_TYPE) {
    const weight = ranges.get(type);
    if (weight !== undefined) named.set(format, Math.max(weight, named.get(format) ?? 0));
  }
  const anything = ranges.get('*/*') ?? 0;
  const application = ranges.get('application/*');

  let best: PageFormat | 'none' = 'none';
  let bestWeight = 0;
  let bestIsWild = true;
  for (const candidate of PREFERENCE) {
    const explicit = named.get(candidate) ?? (candidate === 'html' ? ranges.get('text/*') : application);
    const weight = explicit ?? anything;
    // A format that only the full wildcard matches gives way to one that was named, and among those to HTML.
    const wins = weight > bestWeight || (weight === bestWeight && weight > 0 && bestIsWild);
    if (wins) {
      best = candidate;
      bestWeight = weight;
      bestIsWild = explicit === undefined;
    }
  }
  return best === 'none' && !strict ? 'html' : best;
}

/** The content codings we make. */
export type PageCoding = 'zstd' | 'gzip' | 'identity';

/**
 * The coding for the `Accept-Encoding` field. The highest weight wins; on a tie zstd, which is smaller and faster to
 * make, but only where it is named; then gzip; identity last. Without the field, and when nothing we make is
 * acceptable, identity: an unwanted coding breaks clients, an uncoded body never did.
 */
export function negotiateCoding(acceptEncoding: string | undefined): PageCoding {
  if (acceptEncoding === undefined) return 'identity';
  const weights = weigh(acceptEncoding);
  const zstd = weights.get('zstd') ?? 0;
  const gzip = weights.get('gzip') ?? weights.get('x-gzip') ?? weights.get('*') ?? 0;
  // Unnamed, identity is acceptable but asked for by nobody (RFC 9110 12.5.3).
  const identity = weights.get('identity') ?? 0;
  if (zstd > 0 && zstd >= gzip && zstd >= identity) return 'zstd';
  return gzip > 0 && gzip >= identity ? 'gzip' : 'identity';
}

/** The members of a weighted list in lower case, each with its weight; malformed ones are left out (RFC 9110 12.4.2). */
function weigh(field: string): Map<string, number> {
  const weights = new Map<string, number>();
  for (const member of field.split(',')) {
    const parts = member.toLowerCase().split(';');
    let weight = 1;
    for (const parameter of parts.slice(1)) {
      const text = parameter.trim();
      if (text.startsWith('q='))
        weight = /^(?:0|1|0?\.\d+|0\.|1\.0*)$/.test(text.slice(2)) ? Number(text.slice(2)) : -1;
    }
    const name = parts[0]!.trim();
    if (name !== '' && weight >= 0) weights.set(name, Math.max(weight, weights.get(name) ?? 0));
  }
  return weights;
}
