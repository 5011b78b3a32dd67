// Answers that were given a moment ago, ready to be given again: the hot path. Such an answer holds while it is fresh
// and no stored entry has changed, or none that it rests on, so a repetition needs neither route nor policy; it costs two
// comparisons and the sending. Everything else takes the ordinary way and leaves its answer here.

import type { Kind, Outcome } from '../observe/metric-table.ts';
import { isKnown } from './client-conditions.ts';
import { type Exchange, MOST_JOINED_BYTES, type ReadyMessage, readyMessage, takesReady } from './exchange.ts';

/** An answer that may be repeated to whoever sends the same target and the same negotiating fields. */
export interface ReadyAnswer {
  readonly kind: Kind;
  readonly outcome: Outcome;
  readonly etag: string;
  readonly bytes: Buffer;
  /** Fields of the 200 and of the 304 that do not change while the answer holds. */
  readonly fields: readonly string[];
  readonly notModifiedFields: readonly string[];
  /** Milliseconds since the epoch until which the answer is fresh. */
  readonly freshUntil: number;
  /** Asked when some stored entry has changed: whether the ordinary way would still give just this. */
  readonly holds: () => boolean;
  /** The fields that tell its age; asked for once a second. Also the place to note that the page is wanted. */
  readonly agingFields: () => readonly string[];
}

interface Slot {
  readonly answer: ReadyAnswer;
  readonly accept: string | undefined;
  readonly acceptEncoding: string | undefined;
  /** What it counts for in the budget. */
  readonly size: number;
  /** The count of changes of the entry store up to which the answer holds. */
  changes: number;
  /** Milliseconds since the epoch. */
  readonly keptAt: number;
  /** The second for which the rest is made. */
  second: number;
  fields: readonly string[];
  notModifiedFields: readonly string[];
  /** Made when the answer is asked for again within the second: else it would not be worth it. */
  whole: ReadyMessage | undefined;
  notModified: ReadyMessage | undefined;
}

/** The budget in bytes, and the clock in milliseconds since the epoch. */
export interface ReadyAnswersOptions {
  /** How often stored entries have changed. */
  readonly changes: () => number;
  readonly now: () => number;
  readonly maxBytes: number;
}

/** Different negotiations kept for one target: the installers of a fleet, in their versions. */
const VARIANTS = 6;
/** Clients negotiate in fewer characters; longer texts are nobody's, and each would be another answer. */
const MOST_NEGOTIATION = 1_000;
/** A larger body costs more to send than to look up: kept up to 512 KB, no gain could be measured. */
const MAX_BODY_BYTES = 128 * 1024;
/** What a slot takes beside its body and its ready text. */
const SLOT_BYTES = 2_000;

/** Whole answers that can be repeated, until the page changes or its age does. */
export class ReadyAnswers {
  readonly #options: ReadyAnswersOptions;
  readonly #slots = new Map<string, Slot[]>();
  #bytes = 0;

  constructor(options: ReadyAnswersOptions) {
    this.#options = options;
  }

  /** What it holds of its budget. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Answers the exchange if the same was answered before; false when the ordinary way has to be taken. */
  repeat(exchange: Exchange): boolean {
    const { request } = exchange;
    const slots = this.#slots.get(request.url!);
    if (slots === undefined || request.method !== 'GET') return false;
    const { headers } = request;
    const slot = slots.find(
      (one) => one.accept === headers.accept && one.acceptEncoding === headers['accept-encoding'],
    );
    if (slot === undefined || !isPlain(headers) || !this.#isUnchanged(slot)) return false;
    const now = this.#options.now();
    // Before it was kept is no time for it: the clock was set back, and it would be fresh for all that time.
    if (now >= slot.answer.freshUntil || now < slot.keptAt) return false;
    this.#send(exchange, slot, now);
    return true;
  }

  /** Keeps an answer for repetition. */
  keep(exchange: Exchange, answer: ReadyAnswer): void {
    const { request } = exchange;
    if (request.method !== 'GET' || answer.bytes.length > MAX_BODY_BYTES || !isPlain(request.headers)) return;
    const { accept, 'accept-encoding': acceptEncoding } = request.headers;
    const negotiation = (accept?.length ?? 0) + (acceptEncoding?.length ?? 0);
    if (negotiation > MOST_NEGOTIATION) return;
    const { length } = answer.bytes;
    const size = length + Math.min(length, MOST_JOINED_BYTES) + negotiation + request.url!.length + SLOT_BYTES;
    if (this.#bytes + size > this.#options.maxBytes) this.#clear();
    const slot: Slot = {
      answer,
      accept,
      acceptEncoding: acceptEncoding as string | undefined,
      size,
      changes: this.#options.changes(),
      keptAt: this.#options.now(),
      second: 0,
      fields: [],
      notModifiedFields: [],
      whole: undefined,
      notModified: undefined,
    };
    const before = this.#slots.get(request.url!) ?? [];
    const others = before.filter((one) => one.accept !== slot.accept || one.acceptEncoding !== slot.acceptEncoding);
    const after = [slot, ...others].slice(0, VARIANTS);
    this.#slots.set(request.url!, after);
    this.#bytes += sizeOf(after) - sizeOf(before);
  }

  /** A busy node stores something all the time, and hardly ever what this answer rests on. */
  #isUnchanged(slot: Slot): boolean {
    const changes = this.#options.changes();
    if (slot.changes === changes) return true;
    if (!slot.answer.holds()) return false;
    slot.changes = changes;
    return true;
  }

  #clear(): void {
    this.#slots.clear();
    this.#bytes = 0;
  }

  #send(exchange: Exchange, slot: Slot, now: number): void {
    const { answer } = slot;
    exchange.kind = answer.kind;
    exchange.outcome = answer.outcome;
    const hasIt = isKnown(exchange, answer.etag);
    const isFirst = this.#age(slot, now);
    if (isFirst || exchange.addedFields.length > 0 || !takesReady(exchange.response)) {
      if (hasIt) exchange.send(304, slot.notModifiedFields);
      else exchange.send(200, slot.fields, answer.bytes);
    } else if (hasIt) {
      slot.notModified ??= readyMessage(304, slot.notModifiedFields, undefined, now);
      exchange.sendReady(slot.notModified, 0);
    } else {
      slot.whole ??= readyMessage(200, slot.fields, answer.bytes, now);
      exchange.sendReady(slot.whole, answer.bytes.length);
    }
  }

  /** Makes what changes with its age; true for the first request of a second. */
  #age(slot: Slot, now: number): boolean {
    const second = Math.floor(now / 1000);
    if (slot.second === second) return false;
    const aging = slot.answer.agingFields();
    slot.second = second;
    slot.fields = slot.answer.fields.concat(aging);
    slot.notModifiedFields = slot.answer.notModifiedFields.concat(aging);
    slot.whole = undefined;
    slot.notModified = undefined;
    return true;
  }
}

function sizeOf(slots: readonly Slot[]): number {
  return slots.reduce((sum, { size }) => sum + size, 0);
}

/** Fields that make a request more than a plain wish for the page or file. */
function isPlain(headers: NodeJS.Dict<string | string[]>): boolean {
  return (
    headers.range === undefined &&
    headers.via === undefined &&
    headers.expect === undefined &&
    headers['if-modified-since'] === undefined &&
    headers['content-length'] === undefined &&
    headers['transfer-encoding'] === undefined &&
    !(headers['cache-control']?.includes('no-') ?? false)
  );
}
