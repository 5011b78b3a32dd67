// The entry store: memory answers at once, the embedded database is the truth of this node, Redis is what nodes share.
// Each tier can be lost without a wrong answer: memory is a copy, a sick disk is counted and gone without, Redis skipped.

import { setTimeout as sleep } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import type { Digest } from '../../core/digest.ts';
import type { LeaseDesk } from '../../core/lease.ts';
import type { MacConfig } from '../redis/envelope.ts';
import type { RedisState, SharedEntries } from '../redis/redis-entries.ts';
import type { SharedPurges } from '../redis/redis-purges.ts';
import type { Entry, EntryRecord } from './entry.ts';
import type { EntryStore, StoreEvent } from './entry-store.ts';
import { decodeRecord, encodeRecord, freezeRecord } from './record-codec.ts';
import { EmbeddedEntries } from './sqlite-entries.ts';

/** The tiers, and the budget of the first in bytes. */
export interface TieredEntryStoreOptions {
  /** The database lies in `<dataDir>/entries/v1`. */
  readonly dataDir: string;
  /** Bound of the memory tier, by the length of the records as JSON. */
  readonly memoryBytes: number;
  /** Absent: nothing is shared. */
  readonly redis?: MacConfig;
  readonly now: () => number;
  /** Whether what was validated then has been purged since: such a record of another node is none. */
  readonly isPurged?: (key: string, validatedAt: number) => boolean;
  readonly count: (event: StoreEvent) => void;
  /** The database was damaged, has been set aside and is empty now: rebuild it from the stored page bodies. */
  readonly onDamaged: () => void;
  /** `reason` is a code without addresses or credentials. */
  readonly onRedisState: (state: RedisState, reason: string) => void;
  /** Redis's user may not run these commands; `cure` is what grants them. */
  readonly onRedisDenied?: (commands: readonly string[], cure: string) => void;
}

/** What a record costs in memory beside its text: objects, arrays and the place in the map. */
const RECORD_OVERHEAD_BYTES = 400;

/** So many records are judged, then others have their turn. */
const SWEEP_BATCH = 100;
const SWEEP_PAUSE_MS = 20;

/** Memory before disk before Redis. */
export class TieredEntryStore implements EntryStore {
  readonly #memory: LRUCache<string, EntryRecord>;
  readonly #disk: EmbeddedEntries;
  readonly #shared: SharedEntries | undefined;
  readonly #count: (event: StoreEvent) => void;
  readonly #isPurged: NonNullable<TieredEntryStoreOptions['isPurged']>;
  #changes = 0;

  /**
   * Opens the database and starts to connect to Redis without waiting for it. Never fails for a sick disk.
   * Throws TypeError, which repeats nothing of the address, when the address is none of a Redis server.
   */
  static async open(options: TieredEntryStoreOptions): Promise<TieredEntryStore> {
    const { redis } = options;
    return new TieredEntryStore(options, redis && (await connectShared(redis, options)));
  }

  private constructor(options: TieredEntryStoreOptions, shared: SharedEntries | undefined) {
    this.#shared = shared;
    this.#count = options.count;
    this.#isPurged = options.isPurged ?? (() => false);
    this.#memory = new LRUCache({ maxSize: Math.max(1, options.memoryBytes) });
    this.#disk = new EmbeddedEntries({
      dataDir: options.dataDir,
      now: options.now,
      count: options.count,
      onChanged: (keys) => (keys === undefined ? this.#forgetAll() : this.invalidate(keys)),
      // Later, because whoever refills the store must have it in hand first.
      onDamaged: () => setImmediate(options.onDamaged),
    });
  }

  get diskAnswers(): boolean {
    return this.#disk.answers;
  }

  get changes(): number {
    return this.#changes;
  }

  peek(key: string): EntryRecord | undefined {
    return this.#memory.get(key);
  }

  /**
   * A record found only in Redis is handed out but not kept here: this node may not have the body it speaks of, and
   * metadata is written after the bytes. The caller stores it by `set` once it has them.
   */
  async get(key: string): Promise<EntryRecord | undefined> {
    return this.#memory.get(key) ?? this.#readDisk(key) ?? (await this.getShared(key));
  }

  reread(key: string): EntryRecord | undefined {
    const record = this.#readDisk(key);
    if (record !== undefined) this.#changes++;
    return record;
  }

  /** Leases among the nodes that share our Redis; undefined without one. */
  get leases(): LeaseDesk | undefined {
    return this.#shared?.leases;
  }

  /** Orders to purge among those nodes; undefined without a Redis. */
  get purges(): SharedPurges | undefined {
    return this.#shared?.purges;
  }

  async getShared(key: string): Promise<EntryRecord | undefined> {
    const text = await this.#shared?.readEntry(key);
    if (text === undefined) return undefined;
    const decoded = decodeRecord(text);
    if (decoded.kind === 'record') return this.#isForgotten(key, decoded.record) ? undefined : decoded.record;
    if (decoded.kind === 'damaged') this.#count('redis-damaged-record');
    return undefined;
  }

  async set(key: string, record: EntryRecord): Promise<void> {
    this.#changes++;
    const text = encodeRecord(record);
    this.#keepInMemory(key, freezeRecord(record), text);
    this.#disk.write(key, text);
    this.#shared?.writeEntry(key, text);
  }

  async delete(key: string): Promise<void> {
    this.#changes++;
    this.#memory.delete(key);
    this.#disk.remove(key);
    this.#shared?.removeEntry(key);
  }

  invalidate(keys: readonly string[]): void {
    this.#changes++;
    for (const key of keys) this.#memory.delete(key);
  }

  keys(prefix: string, after: string, limit: number): string[] {
    return this.#disk.keys(prefix, after, limit);
  }

  /**
   * Forgets, on this node alone, all records that are `worthless`, slowly; resolves with their number, also at the signal.
   * What others have in Redis is theirs to judge.
   */
  async sweep(prunable: (key: string, record: EntryRecord) => Promise<boolean>, signal: AbortSignal): Promise<number> {
    let swept = 0;
    for (let keys = this.keys('', '', SWEEP_BATCH); keys.length > 0; keys = this.keys('', keys.at(-1)!, SWEEP_BATCH)) {
      for (const key of keys) {
        // Past memory, which is for what clients ask for.
        const text = this.#disk.read(key);
        const decoded = text === undefined ? undefined : decodeRecord(text);
        if (decoded?.kind !== 'record' || !(await prunable(key, decoded.record))) continue;
        // Somebody may have asked for it while we looked.
        if (this.#disk.read(key) !== text) continue;
        this.#disk.remove(key);
        this.invalidate([key]);
        swept++;
      }
      await sleep(SWEEP_PAUSE_MS, undefined, { ref: false, signal }).catch(() => {});
      if (signal.aborted) break;
    }
    return swept;
  }

  async getSharedBody(digest: Digest): Promise<Buffer | undefined> {
    return this.#shared?.readBody(digest);
  }

  setSharedBody(digest: Digest, bytes: Buffer): void {
    this.#shared?.writeBody(digest, bytes);
  }

  status(): { readonly memoryBytes: number; readonly records: number; readonly redis: 'off' | RedisState } {
    return {
      memoryBytes: this.#memory.calculatedSize,
      records: this.#disk.size(),
      redis: this.#shared?.state ?? 'off',
    };
  }

  async close(): Promise<void> {
    await this.#shared?.close();
    this.#disk.close();
  }

  #isForgotten(key: string, { variants }: EntryRecord): boolean {
    return variants.length > 0 && variants.every(({ responseTime }) => this.#isPurged(key, responseTime));
  }

  /** Synchronous, so that no write can come between reading a record and remembering it. */
  #readDisk(key: string): EntryRecord | undefined {
    const text = this.#disk.read(key);
    if (text === undefined) return undefined;
    const decoded = decodeRecord(text);
    if (decoded.kind === 'record') {
      this.#keepInMemory(key, decoded.record, text);
      return decoded.record;
    }
    if (decoded.kind === 'newer') {
      this.#count('disk-newer-record');
    } else {
      this.#count('disk-damaged-record');
      this.#disk.remove(key);
    }
    return undefined;
  }

  #keepInMemory(key: string, record: EntryRecord, text: string): void {
    this.#memory.set(key, record, { size: key.length + text.length + RECORD_OVERHEAD_BYTES });
  }

  /** Another process changed so many keys that all are in doubt. */
  #forgetAll(): void {
    this.#changes++;
    this.#memory.clear();
  }
}

/** Redis's client is loaded only by who has one: it is 0.1 s of processor time at every start and some 8 MB. */
async function connectShared(redis: MacConfig, options: TieredEntryStoreOptions): Promise<SharedEntries> {
  const { now, count, onRedisState: onState, onRedisDenied: onDenied } = options;
  const { SharedEntries } = await import('../redis/redis-entries.ts');
  return new SharedEntries({ redis, now, count, onState, onDenied });
}

// Entries that lead to nothing: their body was evicted or lost, or all they say is that there was nothing. Nobody misses
// them, and names that were asked for once would otherwise be remembered for ever.

/** Younger ones may be of a body that is still on its way to the disk. */
const AGE_MS = 24 * 60 * 60_000;
/** Withheld for legal reasons: upstream's word, to be kept in an outage too. */
const WITHHELD = 451;

/** `hasBody` looks whether the body of an entry is stored. */
export async function isPrunable(
  { variants, doubt }: EntryRecord,
  now: number,
  hasBody: (entry: Entry) => Promise<boolean>,
): Promise<boolean> {
  if (doubt !== undefined) return false;
  for (const entry of variants) {
    if (now - entry.responseTime < AGE_MS) return false;
    if (entry.body === undefined) {
      if (entry.status < 400 || entry.status === WITHHELD) return false;
    } else if (await hasBody(entry)) return false;
  }
  return true;
}
