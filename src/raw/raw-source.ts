// How a raw mount asks its origin: everything end-to-end goes along, no attempt is repeated, and a redirect is the
// client's to follow, unless the operator lists its target as a place where the origin keeps its bytes.

import type { Ask } from '../cache/profile.ts';
import { type FailureKind, UpstreamFailure } from '../core/errors.ts';
import {
  type Fields,
  fieldValue,
  type IncomingResponse,
  type RequestHead,
  withoutFields,
} from '../core/http-message.ts';
import { withoutSecrets } from '../net/credentials.ts';
import { discard } from '../net/discard.ts';
import type { OriginRights } from '../net/origin-rights.ts';
import { nextHop } from '../net/redirects.ts';
import type { Fetcher } from '../net/upstream-client.ts';

/** The client, the rights and the redirects of one raw mount. */
export interface RawSourceOptions {
  readonly client: Fetcher;
  /** What proves us to the origin. */
  readonly rights: OriginRights;
  readonly maxBodyBytes: number;
  /** Origins to which redirects are followed here, so that the client sees, and we keep, what lies behind them. */
  readonly redirectOrigins: readonly string[];
  /** Told how each request ended. */
  readonly onAnswer: (result: RawResult) => void;
}

/** How a request to the origin ended; for metrics. */
export type RawResult = 'ok' | 'not-modified' | 'missing' | FailureKind;

/** Told of each 1xx. */
export type OnInformational = (status: number, fields: Fields) => void;

const HEADERS_TIMEOUT_MS = 60_000;

/** The fields by which a client asks for less than the whole, current response. */
const OF_ONE_CLIENT: ReadonlySet<string> = new Set([
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'if-range',
  'range',
]);

/** Fetches from the origin of one raw mount. Rejects with an UpstreamFailure. */
export class RawSource {
  readonly #options: RawSourceOptions;
  readonly #followed: ReadonlySet<string>;

  constructor(options: RawSourceOptions) {
    this.#options = options;
    this.#followed = new Set(options.redirectOrigins.map((origin) => new URL(origin).origin));
  }

  /** Sends the request, with our conditions in place of the client's where the answer is for others too. */
  async fetch(request: RequestHead, ask: Ask, onInformational: OnInformational): Promise<IncomingResponse> {
    const { onAnswer } = this.#options;
    try {
      const response = await this.#fetch(request, ask, onInformational);
      onAnswer(resultOf(response.status));
      return response;
    } catch (error) {
      if (error instanceof UpstreamFailure) onAnswer(error.kind);
      throw error;
    }
  }

  async #fetch(request: RequestHead, ask: Ask, onInformational: OnInformational): Promise<IncomingResponse> {
    const own = ask.alone === true ? request.fields : withoutFields(request.fields, OF_ONE_CLIENT);
    const part = ask.fromByte > 0 ? ['range', `bytes=${ask.fromByte}-`] : [];
    const visited = [new URL(request.url)];
    let fields = [...own, ...ask.conditions, ...part];
    for (;;) {
      const here = visited.at(-1)!;
      const response = await this.#options.client.fetch({
        url: here.href,
        method: request.method,
        fields,
        signal: ask.signal,
        headersTimeoutMs: HEADERS_TIMEOUT_MS,
        maxBodyBytes: this.#options.maxBodyBytes,
        mayRedirect: () => false,
        followRedirects: false,
        retry: false,
        trusted: 'configured',
        rights: this.#options.rights,
        onInformational,
        ...(ask.avoid.size > 0 ? { freshConnection: true } : {}),
      });
      if (!this.#isFollowed(response, here)) return response;
      discard(response.body);
      const next = nextHop(response, visited, () => true)!;
      if (next.origin !== here.origin) fields = [...withoutSecrets(fields)];
      visited.push(next);
    }
  }

  #isFollowed(response: IncomingResponse, from: URL): boolean {
    if (this.#followed.size === 0 || response.status < 300 || response.status > 399) return false;
    const location = fieldValue(response.fields, 'location');
    const to = location === undefined ? null : URL.parse(location, from.href);
    return to !== null && this.#followed.has(to.origin);
  }
}

function resultOf(status: number): RawResult {
  if (status === 304) return 'not-modified';
  if (status === 404 || status === 410) return 'missing';
  return status < 400 ? 'ok' : 'status';
}
