// How a file is fetched: from the URL that its page gives, from public https hosts or origins that the configuration
// names, whole or from a byte on.

import { firstByteWithin } from '../asking-client.ts';
import { type Ask, conditionsAt, type Expectation, type Profile, type Resource } from '../cache/profile.ts';
import { contentLength } from '../cache/whole-body.ts';
import { type FailureKind, UpstreamFailure } from '../errors.ts';
import type { IncomingResponse } from '../http-message.ts';
import { addressOf } from '../index/file-links.ts';
import { discard } from '../upstream/discard.ts';
import type { OriginRights } from '../upstream/origin-rights.ts';
import type { UpstreamClient } from '../upstream/upstream-client.ts';
import { requirePossible } from './first-bytes.ts';
import type { HostPauses } from './host-pauses.ts';
import type { AskPart } from './ranged-wheel.ts';

export interface FileSourceOptions {
  readonly client: Pick<UpstreamClient, 'fetch' | 'reportWrongBytes'>;
  /** Of the index whose page lists a file: they go along at every hop, and those of other indexes never do. */
  readonly rightsOf: (index: string) => OriginRights;
  readonly maxFileBytes: number;
  readonly pauses: HostPauses;
  /** Told how each request ended. */
  readonly onAnswer: (kind: 'file' | 'metadata', result: 'ok' | 'not-modified' | 'missing' | FailureKind) => void;
}

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

/** A file's first byte reaches pip within 14 s, its page included: pip gives up at 15 s. */
const HEADERS_TIMEOUT_MS = 9_000;

/** With less time left the other mirrors are not asked where they have a file. */
const WORTH_ASKING_MS = 500;

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
   * The size upstream tells of a file, in bytes, without sending it; undefined when it does not tell. Rejects with an
   * UpstreamFailure when there is no file.
   */
  async sizeOf(index: string, url: string): Promise<number | undefined> {
    const headersTimeoutMs = Math.max(1, firstByteWithin(HEADERS_TIMEOUT_MS));
    const response = await this.#options.client.fetch({
      ...this.#common(index, url),
      headersTimeoutMs,
      method: 'HEAD',
      fields: ['accept', '*/*', 'accept-encoding', 'identity'],
      signal: AbortSignal.timeout(headersTimeoutMs + 1_000),
    });
    response.body.destroy();
    if (response.status !== 200) {
      throw new UpstreamFailure('status', `Upstream answered with status ${response.status}.`, {
        upstreamStatus: response.status,
      });
    }
    return contentLength(response);
  }

  /**
   * From the mirror whose page lists it, else from those that are known to have it, else from those that say so when
   * they are asked: the hash judges all alike.
   */
  async #fetch(file: FileResource, ask: Ask): Promise<IncomingResponse> {
    const { elsewhere } = file;
    const url = addressOf(file);
    if (file.expected === undefined) return this.#ask(file, url, ask, HEADERS_TIMEOUT_MS);
    const deadline = performance.now() + HEADERS_TIMEOUT_MS;
    // Wrong bytes came from the one: the others are asked first.
    const isWrong = ask.avoid.size > 0 && ask.fromByte === 0;
    const others = isWrong && elsewhere.length === 0 ? await this.#further(file, ask, deadline) : elsewhere;
    const known = ask.avoid.size > 0 ? [...others, url] : [url, ...others];
    const outcome = await this.#askInTurn(file, known, ask, deadline);
    if (isGood(outcome) || others !== elsewhere) return answerOf(outcome);
    const further = (await this.#further(file, ask, deadline)).filter((place) => !known.includes(place));
    if (further.length === 0) return answerOf(outcome);
    const second = await this.#askInTurn(file, further, ask, deadline);
    if (!isGood(second)) return answerOf(outcome);
    discardOutcome(outcome);
    return answerOf(second);
  }

  #further(file: FileResource, ask: Ask, deadline: number): Promise<readonly string[]> {
    const leftMs = deadline - performance.now();
    if (file.further === undefined || ask.signal.aborted || leftMs < WORTH_ASKING_MS) return Promise.resolve([]);
    return file.further(AbortSignal.any([ask.signal, AbortSignal.timeout(Math.ceil(leftMs / 2))]));
  }

  /** The first good answer, else the last outcome. */
  async #askInTurn(file: FileResource, places: readonly string[], ask: Ask, deadline: number): Promise<Outcome> {
    const timeoutMs = (deadline - performance.now()) / places.length;
    let last: Outcome | undefined;
    for (const place of places) {
      if (last !== undefined) discardOutcome(last);
      try {
        last = { response: await this.#ask(file, place, ask, Math.max(1, timeoutMs)) };
      } catch (error) {
        if (!(error instanceof UpstreamFailure) || error.kind === 'aborted') throw error;
        last = { failure: error };
      }
      if (isGood(last)) return last;
    }
    return last!;
  }

  /** Asks for parts of a file, whatever the answers are. */
  partsOf(index: string, url: string, signal: AbortSignal): AskPart {
    return ({ first, last }, ifRange) => {
      const conditions = ['range', `bytes=${first}-${last}`, ...(ifRange === undefined ? [] : ['if-range', ifRange])];
      const ask = { conditions, signal, avoid: new Set<string>() };
      return this.#exchange('metadata', index, url, ask, HEADERS_TIMEOUT_MS / 2);
    };
  }

  /** Asks for a part of a file in a client's words, whatever the answer is. */
  part(index: string, url: string, range: string): Promise<IncomingResponse> {
    // Whoever reads the body ends it. There must be time left to fetch the whole file instead.
    const { signal } = new AbortController();
    const ask = { conditions: ['range', range], signal, avoid: new Set<string>() };
    return this.#exchange('file', index, url, ask, HEADERS_TIMEOUT_MS / 2);
  }

  async #ask(file: FileResource, url: string, ask: Ask, headersTimeoutMs: number): Promise<IncomingResponse> {
    const range = ask.fromByte > 0 ? ['range', `bytes=${ask.fromByte}-`] : [];
    const kind = file.profile.name === 'metadata' ? 'metadata' : 'file';
    const base = placeOf(url);
    const conditions = [...conditionsAt(ask, base), ...range];
    const response = await this.#exchange(kind, file.index, url, { ...ask, conditions }, headersTimeoutMs);
    return { ...response, base };
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
        method: 'GET',
        fields,
        signal: ask.signal,
        ...(ask.avoid.size > 0 ? { avoidSources: ask.avoid, freshConnection: true } : {}),
      });
      if (response.status === 429) discard(response.body);
      pauses.heed(kind, url, response);
      this.#options.onAnswer(kind, resultOf(response.status));
      return response;
    } catch (error) {
      if (error instanceof UpstreamFailure) this.#options.onAnswer(kind, error.kind);
      throw error;
    }
  }

  #common(index: string, url: string) {
    return {
      url,
      rights: this.#options.rightsOf(index),
      headersTimeoutMs: HEADERS_TIMEOUT_MS,
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

function resultOf(status: number): 'ok' | 'not-modified' | 'missing' | 'status' {
  if (status === 304) return 'not-modified';
  if (status === 404 || status === 410) return 'missing';
  return status < 400 ? 'ok' : 'status';
}
