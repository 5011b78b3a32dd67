// How a file is fetched: from the URL that its page gives, from public https hosts or origins that the configuration
// names, whole or from a byte on.

import { firstByteWithin } from '../asking-client.ts';
import type { Ask, Expectation, Profile, Resource } from '../cache/profile.ts';
import { contentLength } from '../cache/whole-body.ts';
import { type FailureKind, UpstreamFailure } from '../errors.ts';
import type { IncomingResponse } from '../http-message.ts';
import { addressOf } from '../index/file-links.ts';
import { discard } from '../upstream/discard.ts';
import type { UpstreamClient } from '../upstream/upstream-client.ts';
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
  /** `user:password` for that URL's origin, as the page gives it. */
  readonly userInfo?: string | undefined;
  /** Where other mirrors of the index are known to have it. */
  readonly elsewhere: readonly string[];
  readonly profile: Profile;
  readonly expected: Expectation | undefined;
  readonly sizeBytes: number | undefined;
}

/** A file's first byte reaches pip within 14 s, its page included: pip gives up at 15 s. */
const HEADERS_TIMEOUT_MS = 9_000;

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
   * The size upstream tells of a file, in bytes, without sending it; undefined when it does not tell. Rejects with an
   * UpstreamFailure when there is no file.
   */
  async sizeOf(url: string): Promise<number | undefined> {
    const headersTimeoutMs = Math.max(1, firstByteWithin(HEADERS_TIMEOUT_MS));
    const response = await this.#options.client.fetch({
      ...this.#common(url),
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

  /** From the mirror whose page lists it, else from those that are known to have it: the hash judges all alike. */
  async #fetch(file: FileResource, ask: Ask): Promise<IncomingResponse> {
    const { elsewhere } = file;
    const url = addressOf(file);
    if (elsewhere.length === 0 || file.expected === undefined) return this.#ask(file, url, ask, HEADERS_TIMEOUT_MS);
    // Wrong bytes came from the one: the others are asked first.
    const places = ask.avoid.size > 0 ? [...elsewhere, url] : [url, ...elsewhere];
    const last = places.pop()!;
    const timeoutMs = HEADERS_TIMEOUT_MS / (places.length + 1);
    for (const place of places) {
      try {
        const response = await this.#ask(file, place, ask, timeoutMs);
        if (response.status < 400) return response;
        response.body.destroy();
      } catch (error) {
        if (!(error instanceof UpstreamFailure) || error.kind === 'aborted') throw error;
      }
    }
    return this.#ask(file, last, ask, timeoutMs);
  }

  /** Asks for parts of a file, whatever the answers are. */
  partsOf(url: string, signal: AbortSignal): AskPart {
    return ({ first, last }, ifRange) => {
      const conditions = ['range', `bytes=${first}-${last}`, ...(ifRange === undefined ? [] : ['if-range', ifRange])];
      return this.#exchange('metadata', url, { conditions, signal, avoid: new Set() }, HEADERS_TIMEOUT_MS / 2);
    };
  }

  /** Asks for a part of a file in a client's words, whatever the answer is. */
  part(url: string, range: string): Promise<IncomingResponse> {
    // Whoever reads the body ends it. There must be time left to fetch the whole file instead.
    const { signal } = new AbortController();
    return this.#exchange(
      'file',
      url,
      { conditions: ['range', range], signal, avoid: new Set() },
      HEADERS_TIMEOUT_MS / 2,
    );
  }

  #ask(file: FileResource, url: string, ask: Ask, headersTimeoutMs: number): Promise<IncomingResponse> {
    const range = ask.fromByte > 0 ? ['range', `bytes=${ask.fromByte}-`] : [];
    const kind = file.profile.name === 'metadata' ? 'metadata' : 'file';
    return this.#exchange(kind, url, { ...ask, conditions: [...ask.conditions, ...range] }, headersTimeoutMs);
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
        method: 'GET',
        fields,
        signal: ask.signal,
        ...(ask.avoid.size > 0 ? { avoidSources: ask.avoid, freshConnection: true } : {}),
      });
      if (response.status === 429) discard(response.body);
      pauses.heed(url, response);
      this.#options.onAnswer(kind, resultOf(response.status));
      return response;
    } catch (error) {
      if (error instanceof UpstreamFailure) this.#options.onAnswer(kind, error.kind);
      throw error;
    }
  }

  #common(url: string) {
    return {
      url,
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

function resultOf(status: number): 'ok' | 'not-modified' | 'missing' | 'status' {
  if (status === 304) return 'not-modified';
  if (status === 404 || status === 410) return 'missing';
  return status < 400 ? 'ok' : 'status';
}
