// One answer of a raw mount as its client gets it: conditions and ranges from what is stored or arriving, all else as
// the origin said it, with Age and our member of Cache-Status.

import type { Answer, Arriving } from '../cache/answer.ts';
import type { Resource } from '../cache/profile.ts';
import { type Fields, fieldValue, type IncomingResponse, withField, withoutFields } from '../core/http-message.ts';
import { type ByteRange, parseRange } from '../http-semantics/byte-range.ts';
import { evaluatePreconditions, notModifiedFields, rangeApplies } from '../http-semantics/conditional.ts';
import type { RawService } from '../raw/raw-service.ts';
import type { Blob } from '../store/blobs/blob-store.ts';
import { statusOf } from './cache-fields.ts';
import type { Exchange } from './exchange.ts';
import { responseFields } from './forwarded-fields.ts';
import { sendBody } from './send-body.ts';

/** The answer that is sent, and to which exchange. */
export interface RawReplyOptions {
  readonly exchange: Exchange;
  readonly service: RawService;
  readonly resource: Resource;
  readonly overridden: boolean;
  /** Makes of the origin's fields those that the client gets. */
  readonly adapt: (fields: Fields) => Fields;
}

/** A range that begins further behind what has arrived is asked for by itself. */
const AHEAD_BYTES = 8 * 1024 * 1024;

/** Sends one answer of a raw mount. */
export class RawReply {
  readonly #options: RawReplyOptions;

  constructor(options: RawReplyOptions) {
    this.#options = options;
  }

  async send(answer: Answer): Promise<void> {
    const { exchange, resource } = this.#options;
    exchange.outcome = answer.outcome;
    if (answer.passing !== undefined) return this.#pass(answer, answer.passing);
    if (evaluatePreconditions(resource.request, answer.entry) === 'not-modified') {
      answer.arriving?.reader.leave();
      return exchange.send(304, this.#options.adapt(notModifiedFields(this.#fields(answer))));
    }
    if (answer.arriving !== undefined) return this.#follow(answer, answer.arriving);
    if (exchange.isHead) return exchange.send(answer.entry.status, this.#sized(answer, answer.entry.body?.sizeBytes));
    return this.#stored(answer);
  }

  /** Nothing was stored: the body goes straight through. */
  async #pass(answer: Answer, passing: IncomingResponse): Promise<void> {
    const { exchange } = this.#options;
    const received = responseFields(passing.fields, 'raw');
    const fields = [...this.#options.adapt(received), 'cache-status', this.#status(answer)];
    try {
      exchange.head(passing.status, fields);
      const chunks = passing.body[Symbol.asyncIterator]();
      await sendBody(exchange, async () => (await chunks.next()).value as Buffer | undefined);
    } finally {
      passing.body.destroy();
    }
  }

  async #follow(answer: Answer, { reader }: Arriving): Promise<void> {
    const { exchange } = this.#options;
    try {
      const range = this.#range(answer, reader.sizeBytes);
      if (range === 'unsatisfiable') return this.#unsatisfiable(answer, reader.sizeBytes!);
      if (range === undefined) {
        exchange.head(answer.entry.status, this.#sized(answer, reader.sizeBytes));
        return await sendBody(exchange, (lend) => reader.next(lend));
      }
      if (range.first - reader.arrivedBytes > AHEAD_BYTES) {
        reader.leave();
        const { service, resource } = this.#options;
        return await this.send(await service.forward(resource, 'partial'));
      }
      exchange.head(206, this.#part(answer, range, reader.sizeBytes!));
      reader.position = range.first;
      let left = range.last - range.first + 1;
      return await sendBody(exchange, async (lend) => {
        const bytes = left === 0 ? undefined : (await reader.next(lend))?.subarray(0, left);
        left -= bytes?.length ?? 0;
        return bytes;
      });
    } finally {
      reader.leave();
    }
  }

  async #stored(found: Answer): Promise<void> {
    const { service, resource } = this.#options;
    const { answer, blob } = await service.body(resource, found);
    if (blob === undefined) {
      // Lost a moment ago, and on its way again.
      if (answer.arriving !== undefined || answer.passing !== undefined) return this.send(answer);
      // Stored without a body: only the origin has it.
      return this.send(await service.forward(resource, 'miss'));
    }
    try {
      await this.#sendBlob(answer, blob);
    } finally {
      blob.release();
    }
  }

  async #sendBlob(answer: Answer, blob: Blob): Promise<void> {
    const { exchange } = this.#options;
    const { sizeBytes } = blob;
    const range = this.#range(answer, sizeBytes);
    if (range === 'unsatisfiable') return this.#unsatisfiable(answer, sizeBytes);
    const { first, last } = range ?? { first: 0, last: sizeBytes - 1 };
    const status = range === undefined ? answer.entry.status : 206;
    const fields = range === undefined ? this.#sized(answer, sizeBytes) : this.#part(answer, range, sizeBytes);
    if (blob.bytes !== undefined) return exchange.send(status, fields, blob.bytes.subarray(first, last + 1));
    exchange.head(status, fields);
    let position = first;
    await sendBody(exchange, async (lend) => {
      if (position > last) return undefined;
      const buffer = lend();
      const count = await blob.read(buffer.subarray(0, Math.min(buffer.length, last + 1 - position)), position);
      if (count === 0) throw new Error('a stored body is shorter than it was');
      position += count;
      return buffer.subarray(0, count);
    });
  }

  /** The part that is asked for, where that can be told: not of a body whose size nobody knows yet. */
  #range(answer: Answer, sizeBytes: number | undefined): ByteRange | 'unsatisfiable' | undefined {
    const { request } = this.#options.resource;
    if (sizeBytes === undefined || !rangeApplies(request, answer.entry)) return undefined;
    const parsed = parseRange(fieldValue(request.fields, 'range')!, sizeBytes);
    return parsed === 'whole' ? undefined : parsed;
  }

  #part(answer: Answer, { first, last }: ByteRange, sizeBytes: number): Fields {
    const fields = withField(this.#fields(answer), 'content-length', String(last - first + 1));
    return withField(fields, 'content-range', `bytes ${first}-${last}/${sizeBytes}`);
  }

  #unsatisfiable(answer: Answer, sizeBytes: number): void {
    const fields = withField(this.#fields(answer), 'content-length', '0');
    this.#options.exchange.send(416, withField(fields, 'content-range', `bytes */${sizeBytes}`));
  }

  /** With the length where it is known: of a body that came in chunks it is once it is stored. */
  #sized(answer: Answer, sizeBytes: number | undefined): Fields {
    const fields = this.#fields(answer);
    // RFC 9110 8.6: not in a 204.
    if (sizeBytes === undefined || answer.entry.status === 204) return fields;
    return fieldValue(fields, 'content-length') === undefined
      ? withField(fields, 'content-length', String(sizeBytes))
      : fields;
  }

  #fields(answer: Answer): Fields {
    const { received, entry } = answer;
    const fields = received === undefined ? entry.fields : responseFields(received, 'raw');
    // RFC 9111 5.1: Age says that the answer was not made for this request; what has just come has one if it came so.
    const justCame = received !== undefined && fieldValue(received, 'age') === undefined;
    return this.#options.adapt([
      ...withoutFields(fields, new Set(['age'])),
      ...(justCame ? [] : ['age', String(answer.ageSeconds)]),
      'cache-status',
      this.#status(answer),
    ]);
  }

  /** Appended as a line of its own: what caches nearer to the origin said stays (RFC 9211 2). */
  #status(answer: Answer): string {
    const status = statusOf(answer);
    return this.#options.overridden && !status.includes('detail=') ? `${status}; detail=override` : status;
  }
}
