// How an entry record is written down (JSON, format 1) and how it is read back without trusting what was written:
// every field is checked by hand, so a damaged or foreign value is told from a record, and never throws.

import { parseDigest } from '../../core/digest.ts';
import type { Fields } from '../../core/http-message.ts';
import type { BodyReference, Doubt, Entry, EntryRecord, Json } from './entry.ts';

/**
 * What stored text turned out to be. `newer` was written by a later release: a miss, but not ours to delete, for
 * that release may run beside us or come back after a downgrade.
 */
export type Decoded =
  | { readonly kind: 'record'; readonly record: EntryRecord }
  | { readonly kind: 'newer' }
  | { readonly kind: 'damaged' };

/** The newest format this release writes; a reader of format N also reads N-1 (design: an upgrade loses nothing). */
const FORMAT = 1;

/** One reader a format: when format 2 comes, reader 1 stays and returns a format 2 record. */
const READERS: ReadonlyMap<unknown, (record: JsonObject) => EntryRecord | undefined> = new Map([[1, readFormat1]]);

/** A larger record, in bytes as written, would block the loop for milliseconds: it stays in memory only. */
export const MAX_RECORD_BYTES = 256 * 1024;

/** Facts are shallow; a deeper value is damage, and would make the recursion below run out of stack. */
const MAX_DEPTH = 32;

const DAMAGED: Decoded = { kind: 'damaged' };
const NEWER: Decoded = { kind: 'newer' };

/** The record as it is written. */
export function encodeRecord(record: EntryRecord): string {
  return JSON.stringify(record);
}

/** Reads what `encodeRecord` wrote. The record is deeply frozen: many readers share it. */
export function decodeRecord(text: string): Decoded {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError) return DAMAGED;
    throw error;
  }
  if (!isObject(value)) return DAMAGED;
  const format = own(value, 'format');
  const reader = READERS.get(format);
  if (reader === undefined) return isCount(format) && format > FORMAT ? NEWER : DAMAGED;
  const record = reader(value);
  return record === undefined ? DAMAGED : { kind: 'record', record: freezeRecord(record) };
}

/** Freezes a record all the way down, so that it can be shared by reference. */
export function freezeRecord(record: EntryRecord): EntryRecord {
  freezeDeep(record);
  return record;
}

function freezeDeep(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const inner of Object.values(value)) freezeDeep(inner);
}

type JsonObject = { readonly [key: string]: unknown };

/**
 * JSON.parse makes `__proto__` an own property, so reading a field never reaches a prototype that the text chose;
 * `Object.hasOwn` in `own` keeps inherited names (`constructor`, …) from passing for fields.
 */
function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function own(object: JsonObject, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

function readFormat1(value: JsonObject): EntryRecord | undefined {
  const stored = own(value, 'variants');
  if (!Array.isArray(stored)) return undefined;
  const variants: Entry[] = [];
  for (const item of stored) {
    const entry = readEntry(item);
    if (entry === undefined) return undefined;
    variants.push(entry);
  }
  const storedDoubt = own(value, 'doubt');
  if (storedDoubt === undefined) return { format: 1, variants };
  const doubt = readDoubt(storedDoubt);
  return doubt && { format: 1, variants, doubt };
}

function readEntry(value: unknown): Entry | undefined {
  if (!isObject(value)) return undefined;
  const status = own(value, 'status');
  const fields = own(value, 'fields');
  const url = own(value, 'url');
  const requestTime = own(value, 'requestTime');
  const responseTime = own(value, 'responseTime');
  const varying = own(value, 'varying');
  const source = own(value, 'source');
  if (!isStatus(status) || !isFields(fields) || !isFields(varying)) return undefined;
  if (typeof url !== 'string' || typeof source !== 'string') return undefined;
  if (!isTime(requestTime) || !isTime(responseTime)) return undefined;
  const entry = { status, fields, url, requestTime, responseTime, varying, source };
  const base = own(value, 'base');
  if (base !== undefined && typeof base !== 'string') return undefined;

  const storedBody = own(value, 'body');
  const body = storedBody === undefined ? undefined : readBody(storedBody);
  if (storedBody !== undefined && body === undefined) return undefined;
  const facts = own(value, 'facts');
  if (facts !== undefined && !isShallow(facts, MAX_DEPTH)) return undefined;
  return {
    ...entry,
    ...(base !== undefined && { base }),
    ...(own(value, 'outdated') === true && { outdated: true }),
    ...(body && { body }),
    ...(facts !== undefined && { facts: facts as Json }),
  };
}

function readBody(value: unknown): BodyReference | undefined {
  if (!isObject(value)) return undefined;
  const stored = own(value, 'digest');
  const sizeBytes = own(value, 'sizeBytes');
  const verified = own(value, 'verified');
  const digest = typeof stored === 'string' ? parseDigest(stored) : undefined;
  if (digest === undefined || !isCount(sizeBytes) || typeof verified !== 'boolean') return undefined;
  return { digest, sizeBytes, verified };
}

function readDoubt(value: unknown): Doubt | undefined {
  if (!isObject(value)) return undefined;
  const claim = own(value, 'claim');
  const firstSeen = own(value, 'firstSeen');
  const lastSeen = own(value, 'lastSeen');
  const count = own(value, 'count');
  if (typeof claim !== 'string' || !isTime(firstSeen) || !isTime(lastSeen) || !isCount(count)) return undefined;
  return { claim, firstSeen, lastSeen, count };
}

function isFields(value: unknown): value is Fields {
  return Array.isArray(value) && value.length % 2 === 0 && value.every((text) => typeof text === 'string');
}

function isStatus(value: unknown): value is number {
  return isCount(value) && value >= 100 && value <= 599;
}

/** JSON knows neither NaN nor Infinity, but `1e999` parses to the latter. */
function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isShallow(value: unknown, depth: number): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || value === null) return true;
  return depth > 0 && Object.values(value).every((inner) => isShallow(inner, depth - 1));
}
