// Orders to purge, as nodes leave them to one another: a stream in Redis of the last thousand, each under our MAC. A
// node that was away reads what it missed. An order that somebody repeats speaks of its own time only, so that a copy of
// an old one removes nothing that is newer.

import type { SharedEnvelope } from './envelope.ts';
import type { PurgeOrder } from './purge-marks.ts';
import type { RedisLink } from './redis-link.ts';

/** The link, the envelope, and the clock in milliseconds since the epoch. */
export interface SharedPurgesOptions {
  readonly link: Pick<RedisLink, 'append' | 'appended' | 'remove' | 'sizeOf'>;
  readonly envelope: SharedEnvelope;
  /** Runs one command within the deadline and the breaker; undefined when Redis is away, fails or says no. */
  readonly attempt: <T>(command: () => Promise<T>) => Promise<T | undefined>;
}

/** An order as it was found: `position` is Redis's name for its place in the stream. */
export interface FoundOrder extends PurgeOrder {
  /** The node that gave it. */
  readonly from: string;
  readonly position: string;
}

/** What was read from the stream. */
export interface FoundOrders {
  /** Those that one of us gave, oldest first. */
  readonly orders: readonly FoundOrder[];
  /** Of the last entry, whether or not it verified; undefined when there was none. */
  readonly last: string | undefined;
}

const STREAM = 'wheelkeep:1:purges';
const MOST_ORDERS = 1_000;
const MAX_ORDER_BYTES = 1_000;
/** Twice what as many of the largest orders occupy as are read at a time. */
const MAX_STREAM_BYTES = 4 * MOST_ORDERS * MAX_ORDER_BYTES;
/** The position before the first order. */
export const BEFORE_ALL = '0-0';

/** The stream of purge orders in Redis. */
export class SharedPurges {
  readonly #options: SharedPurgesOptions;

  constructor(options: SharedPurgesOptions) {
    this.#options = options;
  }

  /** False when the order did not reach Redis, or nobody knows whether it did. */
  async tell(from: string, { project, until, keep }: PurgeOrder): Promise<boolean> {
    const { link, envelope, attempt } = this.#options;
    const frame = await envelope.seal(STREAM, Buffer.from(JSON.stringify({ from, project, until, keep })));
    return (await attempt(() => link.append(STREAM, frame, MOST_ORDERS))) === true;
  }

  /** What stands behind a position; undefined when Redis is away. */
  async after(position: string): Promise<FoundOrders | undefined> {
    const { link, attempt } = this.#options;
    // The size is asked before any byte is read. A stream of that size is not ours, and whoever made it so could have
    // removed our orders as well.
    const sizeBytes = await attempt(() => link.sizeOf(STREAM));
    if (sizeBytes === undefined) return undefined;
    if (sizeBytes > MAX_STREAM_BYTES) {
      await this.startOver();
      return { orders: [], last: undefined };
    }
    const found = await attempt(() => link.appended(STREAM, position, 2 * MOST_ORDERS));
    if (found === undefined) return undefined;
    const orders = await Promise.all(found.map((one) => this.#open(one.position, one.bytes)));
    return { orders: orders.filter((order) => order !== undefined), last: found.at(-1)?.position };
  }

  /** Removes the stream, so that Redis names positions by its clock again. */
  async startOver(): Promise<void> {
    await this.#options.attempt(() => this.#options.link.remove(STREAM));
  }

  async #open(position: string, bytes: Buffer): Promise<FoundOrder | undefined> {
    const text = await this.#options.envelope.open(STREAM, bytes, MAX_ORDER_BYTES);
    if (text === undefined) return undefined;
    // Sealed by one of us: its shape is ours.
    const { from, project, until, keep } = JSON.parse(String(text)) as Omit<FoundOrder, 'position'>;
    return { from, project, until, position, ...(keep === true && { keep }) };
  }
}

/** The time of a position by the clock of Redis; milliseconds since the epoch. */
export function timeOf(position: string): number {
  return Number(position.split('-')[0]);
}

/** Whether the first position lies behind the second: `<milliseconds>-<count>`. */
export function isBehind(one: string, other: string): boolean {
  const [time = 0n, count = 0n] = one.split('-').map(BigInt);
  const [otherTime = 0n, otherCount = 0n] = other.split('-').map(BigInt);
  return time === otherTime ? count > otherCount : time > otherTime;
}
