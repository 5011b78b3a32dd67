// The tier that nodes share: entries and page bodies in Redis, which may be lost, frozen, full, wiped or hostile at any
// moment. Whatever it does, a read here answers within 100 ms, after three failures at once, and never rejects.

import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { SharedBreaker } from '../../core/breaker.ts';
import { DeadlineExceeded, withinDeadline } from '../../core/deadline.ts';
import { type Digest, digestOf } from '../../core/digest.ts';
import { LEASE_MS, type LeaseAnswer, type LeaseDesk } from '../../core/lease.ts';
import type { StoreEvent } from '../entries/entry-store.ts';
import { FRAME_BYTES, type MacConfig, SharedEnvelope } from './envelope.ts';
import { codeOf, isReply, parseRedisAddress, RedisLink } from './redis-link.ts';
import { SharedPurges } from './redis-purges.ts';
import { WriteBehind } from './write-behind.ts';

/** Whether Redis answers. */
export type RedisState = 'up' | 'down';

/** The link, the envelope and the limits of values in bytes. */
export interface SharedEntriesOptions {
  readonly redis: MacConfig;
  readonly now: () => number;
  readonly count: (event: StoreEvent) => void;
  /** `reason` is a code without addresses or credentials: `ECONNREFUSED`, `NOAUTH`, `DEADLINE`, `connected`. */
  readonly onState: (state: RedisState, reason: string) => void;
  /** Commands of ours that the user may not run, when there are any, and how they are granted. */
  readonly onDenied?: ((commands: readonly string[], cure: string) => void) | undefined;
}

const DEADLINE_MS = 100;
/** Nobody waits for a write, so a large one may take longer: 10 MB/s is the slowest network that counts as well. */
const WRITE_BYTES_PER_MS = 10_000;
const CLOSE_MS = 300;
/** How long a lease waits for the writes that were made under it. */
const STORED_MS = 500;
const ENTRY_PREFIX = 'wheelkeep:1:entry:';
const BODY_PREFIX = 'wheelkeep:1:body:';
const MAX_ENTRY_BYTES = 256 * 1024;
const MAX_STORED_BODY_BYTES = 8 * 1024 * 1024;
const MAX_BODY_BYTES = 64 * 1024 * 1024;

/** Entries and page bodies in Redis. */
export class SharedEntries {
  /** Among the nodes that share this Redis. */
  readonly leases: LeaseDesk;
  readonly purges: SharedPurges;
  readonly #link: RedisLink;
  readonly #envelope: SharedEnvelope;
  readonly #breaker: SharedBreaker;
  readonly #writes: WriteBehind;
  readonly #count: (event: StoreEvent) => void;
  readonly #onState: (state: RedisState, reason: string) => void;
  /** Undefined until the first connection stands or has failed: one that is away from the start is told of as well. */
  #state: RedisState | undefined;
  /** Whether a lease that was taken can be given back: else every other node would wait for its end. */
  #mayRelease = true;

  /** Connects in the background. Throws TypeError when the address is none of a Redis server. */
  constructor(options: SharedEntriesOptions) {
    this.#count = options.count;
    this.#onState = options.onState;
    this.#envelope = new SharedEnvelope(options.redis);
    this.#breaker = new SharedBreaker(options.now);
    this.#writes = new WriteBehind({
      send: (key, value) => this.#send(key, value),
      remove: (keys) => this.#remove(keys),
      onDropped: () => this.#count('redis-write-dropped'),
    });
    this.#link = new RedisLink({
      url: options.redis.url,
      certificates: options.redis.certificates,
      now: options.now,
      onChange: (ready, reason) => {
        if (ready) void this.#askPermissions(options);
        this.#breaker.makeProbeDue();
        this.#noteState(reason);
        this.#probeIfDue();
      },
    });
    this.purges = new SharedPurges({
      link: this.#link,
      envelope: this.#envelope,
      attempt: (command) => this.#attempt(command),
    });
    this.leases = new SharedLeases({
      link: this.#link,
      envelope: this.#envelope,
      now: options.now,
      attempt: (command) => this.#attempt(command),
      stored: () => withinDeadline(this.#writes.drained(), STORED_MS).catch(ignoreLate),
      mayRelease: () => this.#mayRelease,
    });
  }

  get state(): RedisState {
    return this.#state ?? 'down';
  }

  async readEntry(key: string): Promise<string | undefined> {
    // What was removed here must not be had back before Redis knows.
    if (this.#writes.isRemoving(ENTRY_PREFIX + key)) return undefined;
    const bytes = await this.#read(ENTRY_PREFIX + key, MAX_ENTRY_BYTES, MAX_ENTRY_BYTES, () => true);
    return bytes?.toString();
  }

  /** The page body with this digest, checked again although its MAC was right: its writer may have been wrong. */
  readBody(digest: Digest): Promise<Buffer | undefined> {
    const isWhole = (bytes: Buffer) => digestOf(bytes) === digest;
    return this.#read(BODY_PREFIX + digest, MAX_STORED_BODY_BYTES, MAX_BODY_BYTES, isWhole);
  }

  writeEntry(key: string, text: string): void {
    this.#writes.put(ENTRY_PREFIX + key, Buffer.from(text));
  }

  writeBody(digest: Digest, bytes: Buffer): void {
    this.#writes.put(BODY_PREFIX + digest, bytes);
  }

  removeEntry(key: string): void {
    this.#writes.put(ENTRY_PREFIX + key, undefined);
  }

  /** Gives the writes under way a moment, then ends the connection whether or not anybody answers. */
  async close(): Promise<void> {
    await withinDeadline(this.#writes.drained(), CLOSE_MS).catch(ignoreLate);
    await this.#link.close();
  }

  async #read(
    key: string,
    maxStoredBytes: number,
    maxBytes: number,
    isWhole: (bytes: Buffer) => boolean,
  ): Promise<Buffer | undefined> {
    if (!this.#isWorthAsking()) {
      this.#count('redis-skipped');
      return undefined;
    }
    const maxFrameBytes = maxStoredBytes + FRAME_BYTES;
    let frame: Buffer | undefined;
    try {
      frame = await withinDeadline(this.#link.read(key, maxFrameBytes), DEADLINE_MS);
      this.#breaker.succeeded();
    } catch (error) {
      // Another type of value under our key: damage or mischief, but Redis is well.
      if (codeOf(error) === 'WRONGTYPE') this.#count('redis-tampered');
      else this.#failed(error);
      return undefined;
    }
    if (frame === undefined) {
      this.#count('redis-miss');
      return undefined;
    }
    const bytes = frame.length <= maxFrameBytes ? await this.#envelope.open(key, frame, maxBytes) : undefined;
    if (bytes === undefined || !isWhole(bytes)) {
      this.#count('redis-tampered');
      return undefined;
    }
    this.#count('redis-hit');
    return bytes;
  }

  async #send(key: string, value: Buffer): Promise<void> {
    if (!this.#isWorthAsking()) return this.#count('redis-skipped');
    const frame = await this.#envelope.seal(key, value);
    const limitBytes = key.startsWith(ENTRY_PREFIX) ? MAX_ENTRY_BYTES : MAX_STORED_BODY_BYTES;
    if (frame.length > limitBytes + FRAME_BYTES) return this.#count('redis-write-too-large');
    await this.#finish(this.#link.write(key, frame), DEADLINE_MS + frame.length / WRITE_BYTES_PER_MS);
  }

  /** One command a key, in one packet: a cluster has them in different places. */
  async #remove(keys: readonly string[]): Promise<void> {
    if (!this.#isWorthAsking()) return this.#count('redis-skipped');
    await this.#finish(Promise.all(keys.map((key) => this.#link.remove(key))), DEADLINE_MS);
  }

  async #finish(operation: Promise<unknown>, deadlineMs: number): Promise<void> {
    try {
      await withinDeadline(operation, deadlineMs);
      this.#breaker.succeeded();
      this.#count('redis-stored');
    } catch (error) {
      // An error reply came at once and only to us: a full Redis or a replica can still be read.
      if (isReply(error)) this.#count('redis-write-refused');
      else this.#failed(error);
    }
    // A write that is late still holds its bytes, and counts as under way until the client lets go of them.
    await operation.catch(ignoreLate);
  }

  /** One command; undefined when Redis is away, does not answer in time or says no. */
  async #attempt<T>(command: () => Promise<T>): Promise<T | undefined> {
    if (!this.#isWorthAsking()) {
      this.#count('redis-skipped');
      return undefined;
    }
    try {
      const reply = await withinDeadline(command(), DEADLINE_MS);
      this.#breaker.succeeded();
      return reply;
    } catch (error) {
      // Full, a replica, no permission, another type of value: it answered, and can still be read.
      if (isReply(error)) this.#count('redis-write-refused');
      else this.#failed(error);
      return undefined;
    }
  }

  /** Asked of every new connection: an ACL changes while we are away, or another Redis is there. */
  async #askPermissions({ redis, onDenied }: SharedEntriesOptions): Promise<void> {
    try {
      const denied = await this.#link.denied();
      this.#mayRelease = !denied.includes('DEL') && !denied.includes('GETRANGE');
      if (denied.length === 0) return;
      const { username } = parseRedisAddress(redis.url);
      onDenied?.(
        denied,
        `ACL SETUSER ${username || 'default'} ~wheelkeep:* ${denied.map((one) => `+${one.toLowerCase()}`).join(' ')}`,
      );
    } catch {
      // The connection is lost again: the next one is asked.
    }
  }

  #isWorthAsking(): boolean {
    if (!this.#link.ready) return false;
    if (!this.#breaker.open) return true;
    this.#probeIfDue();
    return false;
  }

  /** Asks for a key that no entry has, by the same command as real reads: it fails where they would. */
  #probeIfDue(): void {
    if (!this.#link.ready || !this.#breaker.claimProbe()) return;
    withinDeadline(this.#link.read(ENTRY_PREFIX, MAX_ENTRY_BYTES), DEADLINE_MS).then(
      () => this.#probed(true, 'answers'),
      (error: unknown) => this.#probed(codeOf(error) === 'WRONGTYPE', codeOf(error)),
    );
  }

  #probed(answered: boolean, reason: string): void {
    this.#breaker.probed(answered);
    this.#noteState(reason);
  }

  #failed(error: unknown): void {
    this.#count(error instanceof DeadlineExceeded ? 'redis-timeout' : 'redis-error');
    this.#breaker.failed();
    this.#noteState(codeOf(error));
  }

  #noteState(reason: string): void {
    const state = this.#link.ready && !this.#breaker.open ? 'up' : 'down';
    if (state === this.#state) return;
    this.#state = state;
    this.#onState(state, reason);
  }
}

/** What comes after its deadline has been counted then; nobody is left to be told. */
function ignoreLate(): void {}

// Leases among nodes, as values in Redis that end by themselves. A lease carries our MAC and its own end, so that
// nobody who can merely write into Redis makes us wait; who can do more makes us wait for LEASE_MS at most.
// The clocks of nodes may differ: who thinks that a lease has ended asks upstream too, and that is all.

/** The link, and who this process is. */
export interface SharedLeasesOptions {
  readonly link: Pick<RedisLink, 'read' | 'putIfAbsent' | 'removeIfSame'>;
  readonly envelope: SharedEnvelope;
  readonly now: () => number;
  /** Runs one command within the deadline and the breaker; undefined when Redis is away, fails or says no. */
  readonly attempt: <T>(command: () => Promise<T>) => Promise<T | undefined>;
  /** Resolves when what was stored until now has reached Redis; bounded. */
  readonly stored: () => Promise<void>;
  /** False: a lease could not be given back, and is not taken. */
  readonly mayRelease: () => boolean;
}

const PREFIX = 'wheelkeep:1:lease:';
const POLL_MS = 100;
const MAX_FRAME_BYTES = 256;

/** Leases among nodes, in Redis. */
export class SharedLeases implements LeaseDesk {
  readonly #options: SharedLeasesOptions;

  constructor(options: SharedLeasesOptions) {
    this.#options = options;
  }

  async request(key: string): Promise<LeaseAnswer> {
    const { link, envelope, now, attempt } = this.#options;
    if (!this.#options.mayRelease()) return { kind: 'unknown' };
    const name = PREFIX + key;
    const frame = await envelope.seal(name, Buffer.from(`${now() + LEASE_MS} ${randomUUID()}`));
    const granted = await attempt(() => link.putIfAbsent(name, frame, LEASE_MS));
    if (granted === undefined) return { kind: 'unknown' };
    if (granted) return { kind: 'granted', release: () => void this.#release(name, frame) };
    const left = new AbortController();
    return { kind: 'held', over: this.#over(name, left.signal), leave: () => left.abort() };
  }

  async #over(name: string, left: AbortSignal): Promise<void> {
    while (!left.aborted && (await this.#isHeld(name))) await sleep(POLL_MS, undefined, { ref: false });
  }

  /** False also when Redis is away: nobody waits for a lease that cannot be seen. */
  async #isHeld(name: string): Promise<boolean> {
    const { link, envelope, now, attempt } = this.#options;
    const frame = await attempt(() => link.read(name, MAX_FRAME_BYTES));
    const value = frame && (await envelope.open(name, frame, MAX_FRAME_BYTES));
    return value !== undefined && Number.parseInt(value.toString('latin1'), 10) > now();
  }

  /** Only once the others can see what was stored; and only if it is still ours (it may have ended meanwhile). */
  async #release(name: string, frame: Buffer): Promise<void> {
    await this.#options.stored();
    await this.#options.attempt(() => this.#options.link.removeIfSame(name, frame));
  }
}
