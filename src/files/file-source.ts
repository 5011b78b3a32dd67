// How a file is fetched: from the URL that its page gives, from public https hosts or origins that the configuration
// names, whole or from a byte on.

import { type Ask, conditionsAt, type Expectation, type Profile, type Resource } from '../cache/profile.ts';
import { type FailureKind, UpstreamFailure } from '../core/errors.ts';
import { contentLength } from '../core/http-body.ts';
import { contentCoding, fieldValue, type IncomingResponse } from '../core/http-message.ts';
import { firstByteWithin } from '../core/request-context.ts';
import { parseContentRange } from '../http-semantics/byte-range.ts';
import { discard } from '../net/discard.ts';
import type { OriginRights } from '../net/origin-rights.ts';
import type { UpstreamClient } from '../net/upstream-client.ts';
import { addressOf } from '../pages/file-links.ts';
import { firstAnswer } from '../upstream/first-answer.ts';
import { requirePossible } from './first-bytes.ts';
import type { HostPauses } from './host-pauses.ts';
import type { AskPart } from './ranged-wheel.ts';

/** The client, the rights of each index, and the limits of files. */
export interface FileSourceOptions {
  readonly client: Pick<UpstreamClient, 'fetch' | 'reportWrongBytes'>;
  /** Of the index whose page lists a file: they go along at every hop, and those of other indexes never do. */
  readonly rightsOf: (index: string) => OriginRights;
  readonly maxFileBytes: number;
  readonly pauses: HostPauses;
  /** Told how each request ended. */
  readonly onAnswer: (kind: 'file' | 'metadata', result: 'ok' | 'not-modified' | 'missing' | FailureKind) => void;
}

/** One file as it is fetched: where it may lie and what its bytes must be. */
export interface FileResource {
  readonly key: string;
  readonly index: string;
  /** With the companion's ending. */
  readonly filename: string;
  readonly url: string;
  /** `user:password` for that URL's origin, as the page gives it. */
  readonly userInfo?: string | undefined;
  /** Where other mirrors of the index are known to have it. */
  readonly elsewhere: readonly string[];
  /** Asks the other mirrors of the index where they have it, when the known places do not give it. Never rejects. */
  readonly further?: ((signal: AbortSignal) => Promise<readonly string[]>) | undefined;
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

/** The other mirrors are asked for that long where they have a file. */
const LONGEST_SEARCH_MS = 9_000;

/** Fetches files from the places that may have them. Rejects with an UpstreamFailure. */
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
      fetch: async (ask) => {
        const response = await this.#fetch(file, ask);
        const isProven = file.expected !== undefined || response.status !== 200;
        return isProven ? response : requirePossible(response, file.filename);
      },
      onWrongBody: (source) => this.#options.client.reportWrongBytes(source),
    };
  }

  /**
   * The size upstream tells of a file, in bytes, without sending it; undefined when it does not tell. Storage that refuses
   * HEAD, does not answer it or names no length is asked for the first byte. Rejects with an UpstreamFailure when there
   * is no file.
   */
  async sizeOf(index: string, file: Pick<FileResource, 'url' | 'userInfo' | 'elsewhere'>): Promise<number | undefined> {
    let failure: UpstreamFailure | undefined;
    for (const place of [addressOf(file), ...file.elsewhere]) {
      try {
        return (await this.#sizeByHead(index, place)) ?? (await this.#sizeByPart(index, place));
      } catch (error) {
        if (!(error instanceof UpstreamFailure)) throw error;
        failure ??= error;
      }
    }
    throw failure;
  }

  async #sizeByHead(index: string, url: string): Promise<number | undefined> {
    const { client, pauses } = this.#options;
    pauses.requireNone('file', url);
    const headersTimeoutMs = Math.max(1, firstByteWithin(HEAD_MS));
    const asking = client.fetch({
      ...this.#common(index, url),
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
    pauses.heed('file', url, response);
    const tells = (response.status === 200 || response.status === 203) && contentCoding(response.fields) === undefined;
    return tells ? contentLength(response) : undefined;
  }

  async #sizeByPart(index: string, url: string): Promise<number | undefined> {
    const ask = { conditions: ['range', 'bytes=0-0'], signal: new AbortController().signal, avoid: new Set<string>() };
    const response = await this.#exchange('file', index, url, ask, Math.max(1, firstByteWithin(ANSWER_MS)));
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

  /**
   * From the mirror whose page lists it, else from those that are known to have it, else from those that say so when
   * they are asked: the hash judges all alike.
   */
  async #fetch(file: FileResource, ask: Ask): Promise<IncomingResponse> {
    const { elsewhere } = file;
    const url = addressOf(file);
    if (file.expected === undefined) return this.#askOnePlace(file, url, ask);
    // Wrong bytes came from the one: the others are asked first.
    const isWrong = ask.avoid.size > 0 && ask.fromByte === 0;
    const others = isWrong && elsewhere.length === 0 ? await this.#further(file, ask) : elsewhere;
    const known = ask.avoid.size > 0 ? [...others, url] : [url, ...others];
    const outcome = await this.#askPlaces(file, known, ask);
    if (isGood(outcome) || others !== elsewhere) return answerOf(outcome);
    const further = (await this.#further(file, ask)).filter((place) => !known.includes(place));
    if (further.length === 0) return answerOf(outcome);
    const second = await this.#askPlaces(file, further, ask);
    if (!isGood(second)) return answerOf(outcome);
    discardOutcome(outcome);
    return answerOf(second);
  }

  #further(file: FileResource, ask: Ask): Promise<readonly string[]> {
    if (file.further === undefined || ask.signal.aborted) return Promise.resolve([]);
    return file.further(AbortSignal.any([ask.signal, AbortSignal.timeout(LONGEST_SEARCH_MS)]));
  }

  /** The first good answer of the places, each asked beside the silent ones before it, else the last outcome. */
  async #askPlaces(file: FileResource, places: readonly string[], ask: Ask): Promise<Outcome> {
    const [first, ...rest] = places as [string, ...string[]];
    const next = () => {
      const place = rest.shift();
      return place === undefined ? undefined : (signal: AbortSignal) => this.#askForFile(file, place, ask, signal);
    };
    try {
      if (rest.length === 0) return { response: await this.#askOnePlace(file, first, ask) };
      const response = await firstAnswer({
        first: (signal) => this.#askForFile(file, first, ask, signal),
        next,
        hedgeAfterMs: HEDGE_MS,
        signal: ask.signal,
        late: ({ body }) => discard(body),
      });
      return { response };
    } catch (error) {
      if (error instanceof RefusedFile) return { response: error.response };
      if (!(error instanceof UpstreamFailure) || error.kind === 'aborted') throw error;
      return { failure: error };
    }
  }

  #askOnePlace(file: FileResource, place: string, ask: Ask): Promise<IncomingResponse> {
    const anew = { ...ask, avoid: new Set([...ask.avoid, NO_SOURCE]) };
    let isAskedAnew = false;
    return firstAnswer({
      first: (signal) => this.#ask(file, place, { ...ask, signal }),
      next: (reason) => {
        if (reason === 'failover' || isAskedAnew) return undefined;
        isAskedAnew = true;
        return (signal) => this.#ask(file, place, { ...anew, signal });
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
  partsOf(index: string, url: string, signal: AbortSignal): AskPart {
    return ({ first, last }, ifRange) => {
      const conditions = ['range', `bytes=${first}-${last}`, ...(ifRange === undefined ? [] : ['if-range', ifRange])];
      const ask = { conditions, signal, avoid: new Set<string>() };
      return this.#exchange('metadata', index, url, ask, LONGEST_SILENCE_MS);
    };
  }

  /** Asks for a part of a file in a client's words, whatever the answer is. */
  part(index: string, url: string, range: string): Promise<IncomingResponse> {
    // The reader of the body ends it. There must be time left to fetch the whole file instead.
    const { signal } = new AbortController();
    const ask = { conditions: ['range', range], signal, avoid: new Set<string>() };
    return this.#exchange('file', index, url, ask, ANSWER_MS / 2);
  }

  async #ask(file: FileResource, url: string, ask: Ask): Promise<IncomingResponse> {
    const range = ask.fromByte > 0 ? ['range', `bytes=${ask.fromByte}-`] : [];
    const kind = file.profile.name === 'metadata' ? 'metadata' : 'file';
    const base = placeOf(url);
    const part = { ...ask, conditions: [...conditionsAt(ask, base), ...range] };
    const response = await this.#exchange(kind, file.index, url, part, LONGEST_SILENCE_MS);
    if (!REFUSALS.has(response.status) || response.url === new URL(url).href) return { ...response, base };
    // The redirect led to a signature that has run out: the next one has a new one.
    discard(response.body);
    return { ...(await this.#exchange(kind, file.index, url, part, LONGEST_SILENCE_MS)), base };
  }

  async #exchange(
    kind: 'file' | 'metadata',
    index: string,
    url: string,
    ask: Pick<Ask, 'conditions' | 'signal' | 'avoid'>,
    headersTimeoutMs: number,
  ): Promise<IncomingResponse> {
    // Identity: a coding on the way would change the bytes that the hash is about.
    const fields = ['accept', '*/*', 'accept-encoding', 'identity', ...ask.conditions];
    const { pauses } = this.#options;
    pauses.requireNone(kind, url);
    try {
      const response = await this.#options.client.fetch({
        ...this.#common(index, url),
        headersTimeoutMs,
        queueTimeoutMs: Math.min(headersTimeoutMs, LONGEST_QUEUE_MS),
        method: 'GET',
        fields,
        signal: ask.signal,
        ...(ask.avoid.size > 0 ? { avoidSources: ask.avoid, freshConnection: true } : {}),
      });
      if (response.status === 429) discard(response.body);
      pauses.heed(kind, url, response);
      this.#options.onAnswer(kind, resultOf(response.status));
      // RFC 9110 15.3.4: whether the bytes were changed on their way their hash tells.
      return response.status === 203 ? { ...response, status: 200 } : response;
    } catch (error) {
      if (error instanceof UpstreamFailure) this.#options.onAnswer(kind, error.kind);
      throw error;
    }
  }

  #common(index: string, url: string) {
    return {
      url,
      rights: this.#options.rightsOf(index),
      maxBodyBytes: this.#options.maxFileBytes,
      // Storage often lies elsewhere; the egress guard judges every hop, and the hash judges the bytes.
      mayRedirect: () => true,
      followRedirects: true,
      retry: true,
      trusted: 'listed',
    } as const;
  }
}

/** What a file's validators belong to: its URL without the signature, which is another one on each page. */
function placeOf(url: string): string {
  const query = url.indexOf('?');
  return query < 0 ? url : url.slice(0, query);
}

type Outcome = { readonly response: IncomingResponse } | { readonly failure: UpstreamFailure };

function isGood(outcome: Outcome): boolean {
  return 'response' in outcome && outcome.response.status < 400;
}

function discardOutcome(outcome: Outcome): void {
  if ('response' in outcome) outcome.response.body.destroy();
}

function answerOf(outcome: Outcome): IncomingResponse {
  if ('failure' in outcome) throw outcome.failure;
  return outcome.response;
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
