// The record of a key: its stored variants, and how one takes the place of another.

import { isReadBack } from '../blobs/body-trailer.ts';
import type { Entry, EntryRecord, Json } from './entry.ts';
import { decodeRecord, encodeRecord, MAX_RECORD_BYTES } from './record-codec.ts';

/** Variants kept side by side under one key (RFC 9111 4.1); the oldest leaves first. */
const MAX_VARIANTS = 16;

/** The name of the body that belongs to the entry: one for each variant of the key. */
export function ownedName(key: string, entry: Entry): string {
  return entry.varying.length === 0 ? key : `${key}\n${entry.varying.join('\n')}`;
}

/** What is stored beside an owned body, so that the entry can be had back from it. */
export function describe(key: string, entry: Entry): Json {
  return { key, record: encodeRecord({ format: 1, variants: [entry] }) };
}

/** Escaped twice over, a text of this length still fits everywhere: nearly all do, and are not written on trial. */
const SURELY_FITS = 32 * 1024;

/** How what is remembered with an entry gives way; undefined when nothing more can. */
export interface Lightening {
  lighten?(facts: Json): Json | undefined;
}

/**
 * The entry as it fits into the database and beside its body, both in bytes as written: what is only remembered gives
 * way (`lighten`), never the body. As it is where nothing more can.
 */
export function fitting(key: string, entry: Entry, { lighten }: Lightening): Entry {
  let fitted = entry;
  while (fitted.facts !== undefined && !fits(key, fitted)) {
    const lighter = lighten?.(fitted.facts);
    if (lighter === undefined) return fitted;
    fitted = { ...fitted, facts: lighter };
  }
  return fitted;
}

function fits(key: string, entry: Entry): boolean {
  const text = encodeRecord({ format: 1, variants: [entry] });
  if (text.length <= SURELY_FITS) return true;
  if (Buffer.byteLength(text) > MAX_RECORD_BYTES) return false;
  return entry.body === undefined || isReadBack({ digest: entry.body.digest, description: describe(key, entry) });
}

/** The record that `describe` wrote, when it is this key's and intact. */
export function described(key: string, description: Json): EntryRecord | undefined {
  const { key: itsKey, record } = (description ?? {}) as { readonly key?: Json; readonly record?: Json };
  if (itsKey !== key || typeof record !== 'string') return undefined;
  const decoded = decodeRecord(record);
  return decoded.kind === 'record' ? decoded.record : undefined;
}

/** Whether the entry is still what is stored: no other has come, and no validation, since it was looked up. */
export function holds(record: EntryRecord | undefined, entry: Entry): boolean {
  return (record?.variants ?? []).some(
    (variant) => variant === entry || (variant.responseTime === entry.responseTime && variant.url === entry.url),
  );
}

/** The record with `entry` in the place of the held one and of any that belongs to the same request fields. */
export function withVariant(record: EntryRecord | undefined, held: Entry | undefined, entry: Entry): EntryRecord {
  const selecting = entry.varying.join('\n');
  const others = (record?.variants ?? []).filter(
    (variant) => variant !== held && variant.varying.join('\n') !== selecting,
  );
  return { format: 1, variants: [entry, ...others].slice(0, MAX_VARIANTS) };
}
