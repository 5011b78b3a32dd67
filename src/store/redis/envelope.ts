// The frame around every value in Redis: who wrote it (a MAC over key and bytes), in which version, compressed how.
// Redis is not trusted: a value that was damaged, exchanged with another key's or forged does not open.
//
//   bytes 0-1 "WK"   2 version   3 coding (0 as is, 1 zstd)   4-35 HMAC-SHA256   36… the value

import { createHmac, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { constants, zstdCompress, zstdDecompress } from 'node:zlib';
import { parseRedisAddress } from './redis-link.ts';

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

const VERSION = 1;
const AS_IS = 0;
const ZSTD = 1;
const HEAD_BYTES = 4;
const MAC_BYTES = 32;
/** What the frame adds to the value. */
export const FRAME_BYTES = HEAD_BYTES + MAC_BYTES;
/** Below this zstd saves less than it costs. */
const WORTH_COMPRESSING_BYTES = 4096;

/** Where the MAC's secret comes from; `fixed` catches damage and exchange, but no attacker. */
export type MacSource = 'secret' | 'password' | 'fixed';

/** What a node must know of its Redis to open what others sealed. */
export interface MacConfig {
  readonly url: string;
  readonly secret?: string | undefined;
  /** PEM texts of certificate authorities to trust beside Node's and the system's, for `rediss://`. */
  readonly certificates?: readonly string[] | undefined;
}

/** For the line that the start prints. Throws TypeError when the address is none of a Redis server. */
export function macSource(redis: MacConfig): MacSource {
  if (redis.secret) return 'secret';
  return parseRedisAddress(redis.url).password === '' ? 'fixed' : 'password';
}

/** Seals values for Redis with a MAC over key and bytes, and opens them. What does not verify is undefined. */
export class SharedEnvelope {
  readonly #macKey: Buffer;

  constructor(redis: MacConfig) {
    const source = macSource(redis);
    const secret = { secret: redis.secret ?? '', password: parseRedisAddress(redis.url).password, fixed: '' }[source];
    // Derived, so that the password itself never keys anything else, and a secret never equals a password's key.
    this.#macKey = createHmac('sha256', `wheelkeep shared values ${VERSION} ${source}`).update(secret).digest();
  }

  /** The value under `key`, ready to be stored. */
  async seal(key: string, value: Buffer): Promise<Buffer> {
    const worthIt = value.length >= WORTH_COMPRESSING_BYTES;
    const body = worthIt ? await compress(value, { params: { [constants.ZSTD_c_compressionLevel]: 1 } }) : value;
    const head = Buffer.from([0x57, 0x4b, VERSION, worthIt ? ZSTD : AS_IS]);
    return Buffer.concat([head, this.#mac(key, head, body), body]);
  }

  /** The value of at most `maxBytes` that was sealed under `key`; undefined when the frame does not verify. */
  async open(key: string, frame: Buffer, maxBytes: number): Promise<Buffer | undefined> {
    if (frame.length < FRAME_BYTES || frame[0] !== 0x57 || frame[1] !== 0x4b || frame[2] !== VERSION) return undefined;
    const head = frame.subarray(0, HEAD_BYTES);
    const body = frame.subarray(FRAME_BYTES);
    if (!timingSafeEqual(frame.subarray(HEAD_BYTES, FRAME_BYTES), this.#mac(key, head, body))) return undefined;
    if (head[3] === AS_IS) return body.length <= maxBytes ? body : undefined;
    if (head[3] !== ZSTD) return undefined;
    // Whatever zstd objects to (not zstd, cut, larger than allowed): it is not a value that a node of ours wrote.
    return decompress(body, { maxOutputLength: maxBytes }).catch(() => undefined);
  }

  /** The key's length comes first, so that key and bytes cannot be shifted into one another. */
  #mac(key: string, head: Buffer, body: Buffer): Buffer {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(Buffer.byteLength(key));
    return createHmac('sha256', this.#macKey).update(head).update(length).update(key).update(body).digest();
  }
}
