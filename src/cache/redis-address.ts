// The address of Redis, taken apart by us: URL and the client put all of it, password included, into their errors.

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
