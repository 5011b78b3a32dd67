// The one use of keyv and @keyv/redis: a connection to one Redis server that is there or is not, and never waits.
// A command is sent only while the connection is ready, so nothing queues; reconnecting is ours, one attempt at a
// time with a back-off, for the client's own loop can neither be cut short at close nor be told from a frozen server.

import { isIP } from 'node:net';
import { getCACertificates } from 'node:tls';
import KeyvRedis, { createClient } from '@keyv/redis';
import { Keyv } from 'keyv';

/** A frozen server is noticed when a connection was silent for `SOCKET_TIMEOUT_MS`, although pings went out. */
const SOCKET_TIMEOUT_MS = 2000;
const PING_INTERVAL_MS = 1000;
const CONNECT_TIMEOUT_MS = 500;
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 1000;
/** A connection that lived this long has earned a quick first retry; a flapping one has not. */
const STEADY_MS = 5000;
/** What Redis says to a user whose ACL lacks a command or a key (redis.io, "ACL"). */
const NO_PERMISSION = 'NOPERM';
/** RESP type of bulk strings, `$` (redis.io, "RESP protocol description"): values are bytes, not text. */
const BULK_STRING = 36;

/** The address, the deadline of a call in milliseconds, and whom it tells. */
export interface RedisLinkOptions {
  /** `redis://` or `rediss://`, with user information and database number where needed. */
  readonly url: string;
  /** PEM texts of certificate authorities to trust beside Node's and the system's. */
  readonly certificates?: readonly string[] | undefined;
  readonly now: () => number;
  /** `reason` is a code (`ECONNREFUSED`, `WRONGPASS`), never a message: messages may hold credentials. */
  readonly onChange: (ready: boolean, reason: string) => void;
}

/** There is no connection; `code` says why. */
export class RedisAway extends Error {
  readonly code: string;
  constructor(code: string) {
    super('Redis is away');
    this.code = code;
  }
}

type Client = ReturnType<typeof connectionTo>;

/** What we say to Redis, in words that change nothing but what this key holds for a millisecond. */
const PROBED_KEY = 'wheelkeep:1:permissions';
const PROBES: readonly (readonly string[])[] = [
  ['GETRANGE', PROBED_KEY, '0', '0'],
  ['SET', PROBED_KEY, '1', 'NX', 'PX', '1'],
  ['DEL', PROBED_KEY],
  ['UNLINK', PROBED_KEY],
  ['EVAL', 'return 0', '1', PROBED_KEY],
  ['XADD', PROBED_KEY, 'NOMKSTREAM', '*', 'frame', '1'],
  ['XRANGE', PROBED_KEY, '-', '+', 'COUNT', '1'],
];

/** Redis has no command for it before 8.4 (redis.io, "Distributed locks"). Its commands are ones that we need anyway. */
const REMOVE_IF_SAME =
  "if redis.call('getrange', KEYS[1], 0, -1) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0";

/** Values as bytes under the keys as they are: no envelope of Keyv's, no prefix, no expiry. */
class ByteStore extends KeyvRedis<Buffer> {
  readonly #client: Client;
  readonly #maxBytes: number;

  constructor(client: Client, maxBytes: number) {
    super(client as never, { throwOnErrors: true, throwOnConnectError: true });
    this.#client = client;
    this.#maxBytes = maxBytes;
  }

  /**
   * One byte more than allowed at most, so that a value of 100 MB costs neither time nor memory. Keyv hands what is
   * not a string on as it is and takes its `value`.
   */
  override async get<T>(key: string): Promise<T | undefined> {
    const bytes = (await this.#client.getRange(key, 0, this.#maxBytes)) as unknown as Buffer;
    return bytes.length === 0 ? undefined : ({ value: bytes } as T);
  }
}

/** The one connection to Redis; keyv speaks over it. A call never waits beyond its deadline. */
export class RedisLink {
  readonly #options: RedisLinkOptions;
  readonly #client: Client;
  readonly #stores = new Map<number, Keyv<Buffer>>();
  #connecting: Promise<void> | undefined;
  #greeting = false;
  #retry: NodeJS.Timeout | undefined;
  #retryMs = FIRST_RETRY_MS;
  #readyAt = 0;
  #wasReady = false;
  #closed = false;
  #reason = 'connecting';

  /** Starts to connect and returns at once. Throws TypeError, without the URL, when the URL is none of Redis. */
  constructor(options: RedisLinkOptions) {
    this.#options = options;
    this.#client = connectionTo(options);
    this.#client.on('error', (error: unknown) => this.#lost(error));
    this.#client.on('connect', () => this.#connected());
    this.#connect();
  }

  get ready(): boolean {
    return this.#client.isReady && !this.#closed;
  }

  /** The bytes under `key`, at most `maxBytes + 1` of them. Rejects when Redis says no or the connection is lost. */
  async read(key: string, maxBytes: number): Promise<Buffer | undefined> {
    return await this.#store(maxBytes).get(key);
  }

  async write(key: string, bytes: Buffer): Promise<void> {
    await this.#store(0).set(key, bytes);
  }

  async remove(key: string): Promise<void> {
    await this.#store(0).delete(key);
  }

  /** Stores the bytes for `ttlMs`; false when something is there already. */
  async putIfAbsent(key: string, bytes: Buffer, ttlMs: number): Promise<boolean> {
    this.#requireReady();
    const reply = await this.#client.set(key, bytes, { condition: 'NX', expiration: { type: 'PX', value: ttlMs } });
    return reply !== null;
  }

  /** Removes the key if it still holds these bytes. */
  async removeIfSame(key: string, bytes: Buffer): Promise<void> {
    this.#requireReady();
    try {
      await this.#client.eval(REMOVE_IF_SAME, { keys: [key], arguments: [bytes as never] });
    } catch (error) {
      if (codeOf(error) !== NO_PERMISSION) throw error;
      // Without scripts in two steps: what another node may put there in between it has to do without.
      const held = (await this.#client.getRange(key, 0, bytes.length)) as unknown as Buffer;
      if (held.equals(bytes)) await this.#client.del(key);
    }
  }

  /** The commands of ours that this user may not run, or not on our keys. Rejects when the connection is lost. */
  async denied(): Promise<string[]> {
    const denied: string[] = [];
    for (const words of PROBES) {
      this.#requireReady();
      try {
        await this.#client.sendCommand([...words]);
      } catch (error) {
        // An older Redis may not know a word of it: that is another trouble, and told elsewhere.
        if (!isReply(error)) throw error;
        if (codeOf(error) === NO_PERMISSION) denied.push(words[0]!);
      }
    }
    return denied;
  }

  /** Adds the bytes to the stream under the key, which keeps at least the last `most` of them. */
  async append(key: string, bytes: Buffer, most: number): Promise<true> {
    this.#requireReady();
    const trim = { strategy: 'MAXLEN', strategyModifier: '~', threshold: most } as const;
    await this.#client.xAdd(key, '*', { frame: bytes as never }, { TRIM: trim });
    return true;
  }

  /** What the key occupies in Redis, bytes; 0 when there is none, or when Redis does not tell this user. */
  async sizeOf(key: string): Promise<number> {
    this.#requireReady();
    try {
      return Number(await this.#client.sendCommand(['MEMORY', 'USAGE', key, 'SAMPLES', '0']));
    } catch (error) {
      if (!isReply(error)) throw error;
      return 0;
    }
  }

  /** What was added to the stream behind the position, oldest first; at most `most`. */
  async appended(key: string, position: string, most: number): Promise<{ position: string; bytes: Buffer }[]> {
    this.#requireReady();
    const reply = await this.#client.sendCommand(['XRANGE', key, position, '+', 'COUNT', String(most)]);
    const added = (reply as unknown as [Buffer, Buffer[]][]).map(([id, fields]) => ({
      position: String(id),
      bytes: fields[1]!,
    }));
    // XRANGE begins with the position itself; to leave it out in the command takes Redis 6.2.
    return added.filter((one) => one.position !== position);
  }

  /** Ends the connection without waiting for a server that does not answer. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    if (this.#client.isReady || this.#greeting) this.#client.destroy();
    // A connection attempt cannot be called back; it ends by itself within CONNECT_TIMEOUT_MS.
    await this.#connecting;
  }

  /** Keyv over a store that reads at most `maxBytes`; there are as many as there are kinds of values. */
  #store(maxBytes: number): Keyv<Buffer> {
    this.#requireReady();
    let store = this.#stores.get(maxBytes);
    if (store === undefined) {
      store = new Keyv<Buffer>({
        store: new ByteStore(this.#client, maxBytes),
        useKeyPrefix: false,
        throwOnErrors: true,
        serialize: ({ value }) => value as string,
      });
      store.namespace = undefined;
      this.#stores.set(maxBytes, store);
    }
    return store;
  }

  /** KeyvRedis would otherwise start to connect by itself, and wait for it. */
  #requireReady(): void {
    if (!this.ready) throw new RedisAway(this.#reason);
  }

  #connect(): void {
    this.#connecting = this.#client
      .connect()
      .then(
        () => this.#ready(),
        (error: unknown) => {
          this.#reason = codeOf(error);
          if (!this.#closed) this.#options.onChange(false, this.#reason);
        },
      )
      .finally(() => {
        this.#connecting = undefined;
        this.#greeting = false;
        if (!this.#client.isReady) this.#retryLater();
      });
  }

  /** The connection stands, and the client now greets the server (authentication, database), which may be frozen. */
  #connected(): void {
    this.#greeting = true;
    if (!this.#closed) return;
    // Closed while connecting: the client can be ended only now, and only once its greeting is under way.
    setImmediate(() => {
      if (this.#client.isOpen) this.#client.destroy();
    });
  }

  #ready(): void {
    this.#readyAt = this.#options.now();
    this.#wasReady = true;
    this.#reason = 'connected';
    this.#options.onChange(true, this.#reason);
  }

  #lost(error: unknown): void {
    this.#reason = codeOf(error);
    if (this.#client.isReady) return;
    if (this.#wasReady) {
      this.#wasReady = false;
      if (this.#options.now() - this.#readyAt >= STEADY_MS) this.#retryMs = FIRST_RETRY_MS;
      this.#options.onChange(false, this.#reason);
    }
    // The client reports one loss twice: while it is still open, and once it has given up.
    if (!this.#client.isOpen && this.#connecting === undefined) this.#retryLater();
  }

  #retryLater(): void {
    if (this.#closed || this.#retry !== undefined) return;
    const jitter = 0.8 + Math.random() * 0.2;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.#connect();
    }, this.#retryMs * jitter).unref();
    this.#retryMs = Math.min(this.#retryMs * 2, LAST_RETRY_MS);
  }
}

/** A client that never queues, never reconnects by itself, and gives values as bytes. */
function connectionTo({ url, certificates = [] }: Pick<RedisLinkOptions, 'url' | 'certificates'>) {
  const { host, port, tls, username, password, database } = parseRedisAddress(url);
  return createClient({
    socket: {
      host,
      port,
      connectTimeout: CONNECT_TIMEOUT_MS,
      socketTimeout: SOCKET_TIMEOUT_MS,
      reconnectStrategy: false,
      ...(tls && { tls: true, ca: authorities(certificates), ...(isIP(host) !== 0 ? {} : { servername: host }) }),
    },
    ...(username !== '' && { username }),
    ...(password !== '' && { password }),
    database,
    disableOfflineQueue: true,
    pingInterval: PING_INTERVAL_MS,
    commandOptions: { typeMapping: { [BULK_STRING]: Buffer } },
  });
}

/** Node's own, the system's, and the operator's, which add and never replace. */
function authorities(certificates: readonly string[]): string[] {
  return [...new Set([...getCACertificates('default'), ...getCACertificates('system'), ...certificates])];
}

/** Node's code (`ECONNREFUSED`), Redis's first word (`NOAUTH`), else the error's class. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  const { code } = error as { code?: unknown };
  if (typeof code === 'string') return code;
  return /^[A-Z]{3,}\b/.exec(error.message)?.[0] ?? error.constructor.name;
}

/** Redis itself said no (`-OOM …`, `-READONLY …`), as opposed to silence or a lost connection. */
export function isReply(error: unknown): boolean {
  return error instanceof Error && /^[A-Z]{3,} /.test(error.message);
}

// The address of Redis, taken apart by us: URL and the client put all of it, password included, into their errors.

/** The address of Redis, taken apart. */
export interface RedisAddress {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  /** Empty when the address names none. */
  readonly username: string;
  readonly password: string;
  readonly database: number;
}

/** Throws TypeError, with a message that repeats nothing of `address`, when it is none of a Redis server. */
export function parseRedisAddress(address: string): RedisAddress {
  try {
    const url = new URL(address);
    const database = url.pathname.length > 1 ? Number(url.pathname.slice(1)) : 0;
    const isRedis = url.protocol === 'redis:' || url.protocol === 'rediss:';
    if (!isRedis || url.hostname === '' || !Number.isSafeInteger(database) || database < 0) throw new TypeError();
    return {
      host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: url.port === '' ? 6379 : Number(url.port),
      tls: url.protocol === 'rediss:',
      username: decodeURIComponent(url.username),
      password: decodeURIComponent(url.password),
      database,
    };
  } catch (error) {
    if (error instanceof TypeError || error instanceof URIError) {
      throw new TypeError('the address of Redis must look like redis://user:password@host:6379/0 or rediss://…');
    }
    throw error;
  }
}
