// Asks upstream: one fetch is a chain of hops (redirects), a hop at most two attempts, an attempt one exchange over a
// reused or a new connection to the best address. Everything that goes wrong leaves as an UpstreamFailure.

import { UpstreamFailure } from '../core/errors.ts';
import {
  type Fields,
  fieldLines,
  fieldValue,
  type IncomingResponse,
  withField,
  withoutFields,
} from '../core/http-message.ts';
import { AddressBook, type AddressStatus } from './addresses.ts';
import type { MinimumRate } from './arriving-body.ts';
import type { Answer } from './connection.ts';
import type { PoolStatus } from './connection-pool.ts';
import { Connector, type ConnectorOptions } from './connector.ts';
import { authorization, withoutSecrets } from './credentials.ts';
import { discard } from './discard.ts';
import type { Trust } from './egress-guard.ts';
import { abortedFailure, crowdedFailure, isUnhealthy, toUpstreamFailure } from './failures.ts';
import type { ClientIdentity } from './open-socket.ts';
import { OriginRights } from './origin-rights.ts';
import { type MayRedirect, nextHop } from './redirects.ts';

/** How upstreams are asked. */
export interface UpstreamClientOptions extends Omit<ConnectorOptions, 'addresses'> {
  /** In [0, 1): jitter. */
  readonly random: () => number;
  /** Name, version and contact: some indexes refuse clients that do not say who they are. */
  readonly userAgent: string;
  /** How this process names itself in Via, so that a request that leads back to us is recognised (RFC 9110 7.6.3). */
  readonly via?: string;
  readonly minimumRate?: MinimumRate;
  /** Nobody is asked: every fetch fails at once, as if no host could be reached. */
  readonly cut?: boolean;
}

/** One request to an upstream, redirects included. */
export interface FetchRequest {
  /** User information in it becomes credentials for its origin, and stands in no answer. */
  readonly url: string;
  readonly method: string;
  /** What is sent, with names in lower case; beside it Host, User-Agent if absent, and the credentials of `rights`. */
  readonly fields: Fields;
  /** Ends the fetch and the body at any moment. */
  readonly signal: AbortSignal;
  /** Until the head of the final answer, over all hops and attempts. */
  readonly headersTimeoutMs: number;
  /** Until the request is sent, where that is less: it waits in our own queue until then. */
  readonly queueTimeoutMs?: number;
  readonly maxBodyBytes: number;
  readonly mayRedirect: MayRedirect;
  readonly followRedirects: boolean;
  /** One more attempt, at another address or over a new connection, after a broken exchange or a 500, 502, 503, 504. */
  readonly retry: boolean;
  /** Whether the URL was named by the configuration, or found on a page (then the egress guard judges it). */
  readonly trusted: Trust;
  /** Of the index or mount for which it is asked, at every hop; none unless given. */
  readonly rights?: OriginRights;
  /** The base URL of the place of `rights` that is asked, where it is known. */
  readonly place?: string;
  /** Sources to use only when there is no other: they gave wrong bytes, or are being asked already. */
  readonly avoidSources?: ReadonlySet<string>;
  readonly freshConnection?: boolean;
  readonly onInformational?: (status: number, fields: Fields) => void;
  /** Told the source of every attempt when its request is sent, before anything is known of the answer. */
  readonly onAttempt?: (source: string) => void;
  /** Instead of the client's own minimum rate. */
  readonly minimumRate?: MinimumRate;
}

/** Connections and addresses, for the status page. */
export interface UpstreamStatus {
  readonly connections: readonly PoolStatus[];
  /** Addresses that have failed at some time; all others are healthy. */
  readonly addresses: readonly AddressStatus[];
}

/** What IndexUpstream and the services need of the client. */
export interface Fetcher {
  fetch(request: FetchRequest): Promise<IncomingResponse>;
}

/** One URL of the chain and all that is needed to ask it. */
interface Hop {
  readonly url: URL;
  readonly fields: Fields;
  readonly trusted: Trust;
  /** The client certificate by which we prove ourselves on this hop. */
  readonly identity: ClientIdentity | undefined;
  readonly request: FetchRequest;
  /** Aborted with an UpstreamFailure by the deadline or the caller. */
  readonly signal: AbortSignal;
}

interface HopAnswer {
  readonly answer: Answer;
  readonly source: string;
  readonly requestTime: number;
  readonly responseTime: number;
}

/** A request of these methods may be sent again when nothing came back (RFC 9110 9.2.2), and over a reused socket. */
const REPEATABLE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

const NONE: ReadonlySet<string> = new Set();

/** A virus scanner on the way lets single bytes through until it has read the whole body; nobody else is so slow. */
const MINIMUM_RATE: MinimumRate = { bytesPerSecond: 1024, windowMs: 60_000, silenceMs: 30_000 };

/** Asks upstreams. Rejects with an UpstreamFailure. */
export class UpstreamClient implements Fetcher {
  readonly #options: UpstreamClientOptions;
  readonly #addresses: AddressBook;
  readonly #connector: Connector;
  /** Ends one fetch and its body each. */
  readonly #running = new Set<() => void>();
  #closed = false;

  constructor(options: UpstreamClientOptions) {
    this.#options = options;
    this.#addresses = new AddressBook(options);
    this.#connector = new Connector({ ...options, addresses: this.#addresses });
  }

  /** The answer, its body still arriving. Throws UpstreamFailure only; a status of any kind is an answer. */
  async fetch(request: FetchRequest): Promise<IncomingResponse> {
    const url = URL.parse(request.url);
    if (url === null) throw new UpstreamFailure('forbidden-address', 'upstream: the address is no URL');
    if (this.#options.cut === true) throw new UpstreamFailure('connect', `${url.host}: every upstream is cut off`);
    url.hash = '';
    const fields = withUserInfo(request.fields, url);
    const control = new AbortController();
    const giveUp = (): void => control.abort(abortedFailure(url.host));
    const late = (): void => control.abort(noAnswer(url, request.headersTimeoutMs));
    const deadline = setTimeout(late, request.headersTimeoutMs);
    const { queueTimeoutMs = request.headersTimeoutMs } = request;
    const queued = setTimeout(() => control.abort(noAnswer(url, queueTimeoutMs)), queueTimeoutMs);
    const onAttempt = (source: string): void => {
      clearTimeout(queued);
      request.onAttempt?.(source);
    };
    const release = (): void => {
      request.signal.removeEventListener('abort', giveUp);
      this.#running.delete(giveUp);
    };
    request.signal.addEventListener('abort', giveUp);
    this.#running.add(giveUp);
    if (request.signal.aborted || this.#closed) giveUp();
    try {
      const response = await this.#follow(url, { ...request, fields, onAttempt }, control.signal);
      response.body.once('close', release);
      return response;
    } catch (error) {
      release();
      throw toUpstreamFailure(error, 'exchange', url.host);
    } finally {
      clearTimeout(deadline);
      clearTimeout(queued);
    }
  }

  /** The bytes that `source` sent did not match their digest: that address is set aside for five minutes. */
  reportWrongBytes(source: string): void {
    this.#addresses.wrongBytes(source);
  }

  /** `source` lost against a second request that was sent seconds later. */
  reportSlow(source: string): void {
    this.#addresses.begin(source)('bad');
  }

  status(): UpstreamStatus {
    return { connections: this.#connector.status(), addresses: this.#addresses.status() };
  }

  /** Ends every fetch and every body. */
  close(): Promise<void> {
    this.#closed = true;
    for (const giveUp of this.#running) giveUp();
    return this.#connector.close();
  }

  async #follow(url: URL, request: FetchRequest, signal: AbortSignal): Promise<IncomingResponse> {
    const visited = [url];
    const rights = request.rights ?? OriginRights.none;
    let { fields, trusted } = request;
    for (;;) {
      const here = visited.at(-1)!;
      const trust = rights.reaches(here) ? 'configured' : trusted;
      const identity = rights.identityFor(here, request.place);
      const hop = { url: here, fields, trusted: trust, identity, request, signal };
      const { answer, ...rest } = await this.#askWith(rights, hop);
      const { status, body } = answer;
      let next: URL | undefined;
      try {
        next = request.followRedirects ? nextHop(answer, visited, request.mayRedirect) : undefined;
      } catch (error) {
        discard(body);
        throw error;
      }
      if (next === undefined) return { status, fields: answer.fields, url: here.href, body, ...rest };
      discard(body);
      if (next.origin !== here.origin) {
        fields = withoutSecrets(fields);
        // The configuration named where we began; where we were sent it names only if that is the asker's own as well.
        trusted = 'listed';
      }
      visited.push(next);
    }
  }

  /**
   * One hop with the credentials that belong to it; and once more where they are refused and have been exchanged
   * meanwhile, for tokens live for minutes at some indexes (RFC 9110 15.5.2).
   */
  async #askWith(rights: OriginRights, hop: Hop): Promise<HopAnswer> {
    const { url, request } = hop;
    const sent = rights.authorizationFor(url, request.place);
    const answered = await this.#ask({ ...hop, fields: this.#complete(hop.fields, sent) });
    const isRefused = answered.answer.status === 401 || answered.answer.status === 403;
    const isOurs = fieldValue(hop.fields, 'authorization') === undefined;
    if (!isRefused || !isOurs || !REPEATABLE.has(request.method)) return answered;
    await rights.renew(url, request.place);
    const renewed = rights.authorizationFor(url, request.place);
    if (renewed === undefined || renewed === sent) return answered;
    discard(answered.answer.body);
    return this.#ask({ ...hop, fields: this.#complete(hop.fields, renewed) });
  }

  /** The fields as they are sent. */
  #complete(fields: Fields, authorization: string | undefined): Fields {
    let complete = withoutFields(fields, new Set(['host']));
    if (fieldValue(complete, 'user-agent') === undefined) {
      complete = withField(complete, 'user-agent', this.#options.userAgent);
    }
    // Once, however often a redirect makes us ask.
    const via = this.#options.via === undefined ? undefined : `1.1 ${this.#options.via}`;
    if (via !== undefined && !fieldLines(complete, 'via').includes(via)) complete = [...complete, 'via', via];
    if (authorization === undefined || fieldValue(complete, 'authorization') !== undefined) return complete;
    return withField(complete, 'authorization', authorization);
  }

  /** One hop: an attempt, and where it is harmless and may help a second one. */
  async #ask(hop: Hop): Promise<HopAnswer> {
    const { request } = hop;
    const tried = new Set(request.avoidSources ?? NONE);
    const repeatable = REPEATABLE.has(hop.request.method);
    let fresh = request.freshConnection === true || !repeatable;
    let retry = request.retry && repeatable;
    for (;;) {
      const attempt = { source: '', reused: false };
      try {
        const answered = await this.#attempt(hop, tried, fresh, attempt);
        if (!retry || !isWorthAnother(answered.answer)) return answered;
        discard(answered.answer.body);
      } catch (error) {
        const failure = toUpstreamFailure(error, 'exchange', hop.url.host);
        // The server may have closed a kept connection just as we used it: that is no attempt of its own.
        const stale = brokeOff(failure) && attempt.reused && repeatable;
        if (hop.signal.aborted || !(stale || (retry && brokeOff(failure)))) throw failure;
        if (stale) {
          fresh = true;
          continue;
        }
      }
      retry = false;
      fresh = true;
      tried.add(attempt.source);
    }
  }

  async #attempt(
    hop: Hop,
    avoid: ReadonlySet<string>,
    fresh: boolean,
    attempt: { source: string; reused: boolean },
  ): Promise<HopAnswer> {
    const askedAt = performance.now();
    const { connection, report } = await this.#connector.connection({ ...hop, avoid, fresh });
    const sentAt = performance.now();
    attempt.source = connection.source;
    attempt.reused = connection.used;
    const { request, url } = hop;
    const { path, fields } = this.#connector.onTheWire(url, hop.fields);
    request.onAttempt?.(connection.source);
    const requestTime = this.#options.now();
    try {
      const answer = await connection.exchange(
        {
          method: request.method,
          path,
          fields,
          limits: {
            host: url.host,
            maxBodyBytes: request.maxBodyBytes,
            minimumRate: request.minimumRate ?? this.#options.minimumRate ?? MINIMUM_RATE,
          },
          onInformational: request.onInformational,
          signal: hop.signal,
        },
        () => this.#connector.release(url, connection),
      );
      const responseTime = this.#options.now();
      report(answer.status >= 500 ? 'bad' : 'good');
      answer.body.once('error', (error: unknown) => {
        if (isUnhealthy(toUpstreamFailure(error, 'exchange', url.host)))
          this.#addresses.begin(connection.source)('bad');
      });
      return { answer, source: connection.source, requestTime, responseTime };
    } catch (error) {
      let failure = toUpstreamFailure(error, 'exchange', url.host);
      // Most of its time it stood in our own queue: that the server did not answer in the rest is not the server's fault.
      if (failure.kind === 'timeout' && sentAt - askedAt > performance.now() - sentAt)
        failure = crowdedFailure(url.host);
      report(isUnhealthy(failure) && !(attempt.reused && brokeOff(failure)) ? 'bad' : 'unknown');
      throw failure;
    }
  }
}

/** Takes user information out of the URL, and says it as it is said (RFC 7617), where nothing else is said yet. */
function withUserInfo(fields: Fields, url: URL): Fields {
  const { username, password } = url;
  if (username === '' && password === '') return fields;
  url.username = '';
  url.password = '';
  if (fieldValue(fields, 'authorization') !== undefined) return fields;
  const credentials = { kind: 'basic', user: decoded(username), password: decoded(password) } as const;
  return withField(fields, 'authorization', authorization(credentials));
}

/** Escapes resolved; a malformed one stays as it stands. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    return text;
  }
}

/** A failing server's answer that another server of the same host may give better; not when it asked for a pause. */
function isWorthAnother({ status, fields }: Answer): boolean {
  if (status === 503) return fieldValue(fields, 'retry-after') === undefined;
  return status === 500 || status === 502 || status === 504;
}

function brokeOff({ kind }: UpstreamFailure): boolean {
  return kind === 'reset' || kind === 'protocol';
}

function noAnswer(url: URL, milliseconds: number): UpstreamFailure {
  return new UpstreamFailure('timeout', `${url.host}: no answer within ${(milliseconds / 1000).toFixed(1)} s`);
}
