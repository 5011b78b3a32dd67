// How a file is fetched: from the URL that its page gives, from public https hosts or origins that the configuration
// names, whole or from a byte on.

import { firstByteWithin } from '../asking-client.ts';
import type { Ask, Expectation, Profile, Resource } from '../cache/profile.ts';
import { contentLength } from '../cache/whole-body.ts';
import { type FailureKind, UpstreamFailure } from '../errors.ts';
import { contentCoding, fieldValue, type IncomingResponse } from '../http-message.ts';
import { discard } from '../upstream/discard.ts';
import { firstAnswer } from '../upstream/first-answer.ts';
import type { UpstreamClient } from '../upstream/upstream-client.ts';
import { parseContentRange } from './byte-range.ts';
import type { HostPauses } from './host-pauses.ts';
import type { AskPart } from './ranged-wheel.ts';

export interface FileSourceOptions {
  readonly client: Pick<UpstreamClient, 'fetch' | 'reportWrongBytes'>;
  readonly maxFileBytes: number;
  readonly pauses: HostPauses;
  /** Told how each request ended. */
  readonly onAnswer: (kind: 'file' | 'metadata', result: 'ok' | 'not-modified' | 'missing' | FailureKind) => void;
}

export interface FileResource {
  readonly key: string;
  readonly index: string;
  readonly url: string;
  /** Where other mirrors of the index are known to have it. */
  readonly elsewhere: readonly string[];
  readonly profile: Profile;
  readonly expected: Expectation | undefined;
  readonly sizeBytes: number | undefined;
}

/** Clients are told to come back before; what they come back for is waited for that long. */
const LONGEST_SILENCE_MS = 30_000;
/** What a client waits for by itself: the size of a file, or a part of it. */
const ANSWER_MS = 9_000;
/** Before it is asked in another way. */
const HEAD_MS = 3_000;
/** A request that has not come to its turn at a connection by then fails, and is asked anew with its client. */
const LONGEST_QUEUE_MS = 9_000;
/** Another place of the file is asked beside a silent one. */
const HEDGE_MS = 4_500;
/** A silent one that is the only one is asked once more: the connection may be lost. By then its client has come back. */
const ONCE_MORE_MS = 10_000;

export class FileSource {
  readonly #options: FileSourceOptions;

  constructor(options: FileSourceOptions) {
    this.#options = options;
  }

  resource(file: FileResource): Resource {
    return {
      key: file.key,
      upstream: file.index,
      profile: file.profile,
      request: { method: 'GET', url: file.url, fields: [] },
      ...(file.expected === undefined ? {} : { expected: file.expected }),
      ...(file.sizeBytes === undefined ? {} : { expectedSizeBytes: file.sizeBytes }),
      fetch: (ask) => this.#fetch(file, ask),
      onWrongBody: (source) => this.#options.client.reportWrongBytes(source),
    };
  }

  /**
   * The size upstream tells of a file, in bytes, without sending it; undefined when it does not tell. Storage that refuses
   * HEAD, does not answer it or names no length is asked for the first byte. Rejects with an UpstreamFailure when there
   * is no file.
   */
  async sizeOf({ url, elsewhere }: Pick<FileResource, 'url' | 'elsewhere'>): Promise<number | undefined> {
    let failure: UpstreamFailure | undefined;
    for (const place of [url, ...elsewhere]) {
      try {
        return (await this.#sizeByHead(place)) ?? (await this.#sizeByPart(place));
      } catch (error) {
        if (!(error instanceof UpstreamFailure)) throw error;
        failure ??= error;
      }
    }
    throw failure;
  }

  async #sizeByHead(url: string): Promise<number | undefined> {
    const { client, pauses } = this.#options;
    pauses.requireNone(url);
    const headersTimeoutMs = Math.max(1, firstByteWithin(HEAD_MS));
    const asking = client.fetch({
      ...this.#common(url),
      headersTimeoutMs,
      method: 'HEAD',
      fields: ['accept', '*/*', 'accept-encoding', 'identity'],
      signal: AbortSignal.timeout(headersTimeoutMs + 1_000),
    });
    const response = await asking.catch((error) => {
      if (error instanceof UpstreamFailure) return undefined;
      throw error;
    });
    if (response === undefined) return undefined;
    response.body.destroy();
    pauses.heed(url, response);
    const tells = (response.status === 200 || response.status === 203) && contentCoding(response.fields) === undefined;
    return tells ? contentLength(response) : undefined;
  }

  async #sizeByPart(url: string): Promise<number | undefined> {
    const ask = { conditions: ['range', 'bytes=0-0'], signal: new AbortController().signal, avoid: new Set<string>() };
    const response = await this.#exchange('file', url, ask, Math.max(1, firstByteWithin(ANSWER_MS)));
    discard(response.body);
    const range = fieldValue(response.fields, 'content-range');
    if (response.status === 206) return parseContentRange(range)?.sizeBytes;
    // RFC 9110 15.5.17: a file without a first byte.
    if (response.status === 416 && range?.trim() === 'bytes */0') return 0;
    if (response.status === 200) {
      return contentCoding(response.fields) === undefined ? contentLength(response) : undefined;
    }
    throw new UpstreamFailure('status', `Upstream answered with status ${response.status}.`, {
      upstreamStatus: response.status,
    });
  }

  /** From the mirror whose page lists it, else from those that are known to have it: the hash judges all alike. */
  async #fetch(file: FileResource, ask: Ask): Promise<IncomingResponse> {
    const { url, elsewhere } = file;
    if (elsewhere.length === 0 || file.expected === undefined) return this.#askOnePlace(file, ask);
    // Wrong bytes came from the one: the others are asked first.
    const places = ask.avoid.size > 0 ? [...elsewhere, url] : [url, ...elsewhere];
    const askNext = () => {
      const place = places.shift();
      return place === undefined ? undefined : (signal: AbortSignal) => this.#askForFile(file, place, ask, signal);
    };
    try {
      return await firstAnswer({
        first: askNext()!,
        next: askNext,
        hedgeAfterMs: HEDGE_MS,
        signal: ask.signal,
        late: ({ body }) => discard(body),
      });
    } catch (error) {
      if (error instanceof RefusedFile) return error.response;
      throw error;
    }
  }

  #askOnePlace(file: FileResource, ask: Ask): Promise<IncomingResponse> {
    const anew = { ...ask, avoid: new Set([...ask.avoid, NO_SOURCE]) };
    let isAskedAnew = false;
    return firstAnswer({
      first: (signal) => this.#ask(file, file.url, { ...ask, signal }),
      next: (reason) => {
        if (reason === 'failover' || isAskedAnew) return undefined;
        isAskedAnew = true;
        return (signal) => this.#ask(file, file.url, { ...anew, signal });
      },
      hedgeAfterMs: ONCE_MORE_MS,
      signal: ask.signal,
      late: ({ body }) => discard(body),
    });
  }

  /** Throws RefusedFile for an answer without the file, which is one server's opinion. */
  async #askForFile(file: FileResource, place: string, ask: Ask, signal: AbortSignal): Promise<IncomingResponse> {
    const response = await this.#ask(file, place, { ...ask, signal });
    if (response.status < 400) return response;
    discard(response.body);
    throw new RefusedFile(response);
  }

  /** Asks for parts of a file, whatever the answers are. */
  partsOf(url: string, signal: AbortSignal): AskPart {
    return ({ first, last }, ifRange) => {
      const conditions = ['range', `bytes=${first}-${last}`, ...(ifRange === undefined ? [] : ['if-range', ifRange])];
      return this.#exchange('metadata', url, { conditions, signal, avoid: new Set() }, LONGEST_SILENCE_MS);
    };
  }

  /** Asks for a part of a file in a client's words, whatever the answer is. */
  part(url: string, range: string): Promise<IncomingResponse> {
    // Whoever reads the body ends it. There must be time left to fetch the whole file instead.
    const { signal } = new AbortController();
    return this.#exchange('file', url, { conditions: ['range', range], signal, avoid: new Set() }, ANSWER_MS / 2);
  }

  async #ask(file: FileResource, url: string, ask: Ask): Promise<IncomingResponse> {
    const range = ask.fromByte > 0 ? ['range', `bytes=${ask.fromByte}-`] : [];
    const kind = file.profile.name === 'metadata' ? 'metadata' : 'file';
    const part = { ...ask, conditions: [...ask.conditions, ...range] };
    const response = await this.#exchange(kind, url, part, LONGEST_SILENCE_MS);
    if (!REFUSALS.has(response.status) || response.url === new URL(url).href) return response;
    // The redirect led to a signature that has run out: the next one has a new one.
    discard(response.body);
    return this.#exchange(kind, url, part, LONGEST_SILENCE_MS);
  }

  async #exchange(
    kind: 'file' | 'metadata',
    url: string,
    ask: Pick<Ask, 'conditions' | 'signal' | 'avoid'>,
    headersTimeoutMs: number,
  ): Promise<IncomingResponse> {
    // Identity: a coding on the way would change the bytes that the hash is about.
    const fields = ['accept', '*/*', 'accept-encoding', 'identity', ...ask.conditions];
    const { pauses } = this.#options;
    pauses.requireNone(url);
    try {
      const response = await this.#options.client.fetch({
        ...this.#common(url),
        headersTimeoutMs,
        queueTimeoutMs: Math.min(headersTimeoutMs, LONGEST_QUEUE_MS),
        method: 'GET',
        fields,
        signal: ask.signal,
        ...(ask.avoid.size > 0 ? { avoidSources: ask.avoid, freshConnection: true } : {}),
      });
      if (response.status === 429) discard(response.body);
      pauses.heed(url, response);
      this.#options.onAnswer(kind, resultOf(response.status));
      // RFC 9110 15.3.4: whether the bytes were changed on their way their hash tells.
      return response.status === 203 ? { ...response, status: 200 } : response;
    } catch (error) {
      if (error instanceof UpstreamFailure) this.#options.onAnswer(kind, error.kind);
      throw error;
    }
  }

  #common(url: string) {
    return {
      url,
      maxBodyBytes: this.#options.maxFileBytes,
      // Storage often lies elsewhere; the egress guard judges every hop, and the hash judges the bytes.
      mayRedirect: () => true,
      followRedirects: true,
      retry: true,
      trusted: 'listed',
    } as const;
  }
}

/** How storage says that a signature has run out. */
const REFUSALS: ReadonlySet<number> = new Set([400, 401, 403]);

/** Not a source: with it a new connection is used, to whatever address. */
const NO_SOURCE = '';

/** A place that was asked for a file has answered, without it. */
class RefusedFile extends Error {
  readonly response: IncomingResponse;

  constructor(response: IncomingResponse) {
    super(`the answer was ${response.status}`);
    this.response = response;
  }
}

function resultOf(status: number): 'ok' | 'not-modified' | 'missing' | 'status' {
  if (status === 304) return 'not-modified';
  if (status === 404 || status === 410) return 'missing';
  return status < 400 ? 'ok' : 'status';
}
