// One raw mount: any other origin, cached by RFC 9111 alone. Reading goes through the one read-through flow; what may
// not be shared goes straight through, and what changes the origin makes us forget.

import type { Answer, Forward } from '../cache/answer.ts';
import type { Profile, Resource } from '../cache/profile.ts';
import type { AnswerBody, ReadThrough } from '../cache/read-through.ts';
import { BadRequest, GatewayTimeout, UpstreamFailure } from '../core/errors.ts';
import {
  type Fields,
  fieldValue,
  type IncomingResponse,
  type RequestHead,
  type ResponseHead,
  withField,
  withoutFields,
} from '../core/http-message.ts';
import { requestContext } from '../core/request-context.ts';
import { invalidatedUrls } from '../http-semantics/invalidate.ts';
import { readRequest } from '../http-semantics/request.ts';
import { type CacheRules, STRICT_RULES } from '../http-semantics/rules.ts';
import { askedBy } from '../http-semantics/vary.ts';
import type { OriginRights } from '../net/origin-rights.ts';
import type { Fetcher } from '../net/upstream-client.ts';
import type { Entry } from '../store/entries/entry.ts';
import { hidesDotSegment } from './dot-segments.ts';
import { type OnInformational, type RawResult, RawSource } from './raw-source.ts';

/** One raw mount: its origin, rights and limits. */
export interface RawServiceOptions {
  readonly name: string;
  /** Base URL with the final slash. */
  readonly origin: string;
  readonly readThrough: ReadThrough;
  readonly profile: Profile;
  readonly source: RawSource;
}

/** RFC 9111 4.3.2: conditions that only the origin can decide. */
const FOR_THE_ORIGIN = ['if-match', 'if-unmodified-since'];

/** Answers one raw mount by RFC 9111 alone. Rejects with an UpstreamFailure or NoUsableCopy. */
export class RawService {
  readonly #options: RawServiceOptions;

  constructor(options: RawServiceOptions) {
    this.#options = options;
  }

  /** The URL at the origin for what follows the mount's own path. Throws BadRequest when it leads out of the base. */
  urlOf(rest: string): string {
    const { origin } = this.#options;
    const url = URL.parse(origin + rest);
    // The plain dot segments have been resolved by now; what is left is a spelling that only the origin may read as one.
    if (url === null || !url.href.startsWith(origin) || hidesDotSegment(url.pathname)) {
      throw new BadRequest('The path leads out of this mount.');
    }
    url.hash = '';
    return url.href;
  }

  /** `request.url` is the origin's; `fields` are all that are end-to-end. Interim answers (1xx) go to the client that starts the fetch. */
  resource(request: RequestHead, onInformational: OnInformational): Resource {
    const { name, profile, source } = this.#options;
    return {
      key: this.#keyOf(request.url),
      upstream: name,
      profile,
      request: askedBy(request, requestContext()),
      fetch: (ask) => source.fetch(request, ask, onInformational),
      onWrongBody: () => {},
    };
  }

  /**
   * Reads by GET or HEAD. Throws UpstreamFailure, or GatewayTimeout when upstream does not answer in time or what is
   * stored may not be used without it.
   */
  async read(resource: Resource): Promise<Answer> {
    const { readThrough, profile } = this.#options;
    const { request } = resource;
    try {
      if (FOR_THE_ORIGIN.some((name) => fieldValue(request.fields, name) !== undefined)) {
        return await this.forward(resource, 'bypass');
      }
      const personal =
        fieldValue(request.fields, 'authorization') !== undefined || readRequest(request, profile.rules).noStore;
      if (request.method === 'HEAD') return await this.#describe(resource, personal);
      return readThrough.peek(resource) ?? (await readThrough.read(resource, { alone: personal }));
    } catch (error) {
      // RFC 9110 15.6.5; UpstreamFailure says 503, which is what installers try again after.
      if (error instanceof UpstreamFailure && error.kind === 'timeout') throw new GatewayTimeout(error.message);
      throw error;
    }
  }

  /** Asks upstream with all that the client said, stores nothing. */
  async forward(resource: Resource, reason: Forward['reason']): Promise<Answer> {
    return this.#options.readThrough.pass(resource, await this.#ask(resource), reason);
  }

  /** The body of a stored answer, as ReadThrough.body gives it. */
  body(resource: Resource, answer: Answer): Promise<AnswerBody> {
    return this.#options.readThrough.body(resource, answer);
  }

  /** A write was answered: what is stored of the URLs that it concerns is gone (RFC 9111 4.4). */
  async written(request: RequestHead, response: ResponseHead): Promise<void> {
    await this.#options.readThrough.purge(invalidatedUrls(request, response).map((url) => this.#keyOf(url)));
  }

  /** HEAD is answered from a stored GET, else by upstream, whose answer says something of that GET (4.3.5). */
  async #describe(resource: Resource, personal: boolean): Promise<Answer> {
    const { readThrough } = this.#options;
    const stored = await readThrough.readStored(resource);
    if (stored !== undefined) return stored;
    const held = await readThrough.held(resource);
    let response: IncomingResponse;
    try {
      response = await this.#ask(resource);
    } catch (error) {
      const copy = this.#standIn(resource, held, { kind: 'disconnected' }, error);
      if (copy === undefined) throw error;
      return copy;
    }
    const copy = this.#standIn(resource, held, { kind: 'status', status: response.status });
    if (response.status >= 400 && copy !== undefined) {
      response.body.destroy();
      return copy;
    }
    // 3.5, 5.2.1.5: what is said to one client alone changes nothing that others get.
    const teaches = held !== undefined && response.status === 200 && !personal;
    if (teaches) await readThrough.learnFromHead(resource, held, response);
    return readThrough.pass(resource, response, held === undefined ? 'uri-miss' : 'stale');
  }

  #standIn(
    resource: Resource,
    held: Entry | undefined,
    trouble: Parameters<ReadThrough['standIn']>[2],
    cause?: unknown,
  ): Answer | undefined {
    return held === undefined ? undefined : this.#options.readThrough.standIn(resource, held, trouble, cause);
  }

  #ask(resource: Resource): Promise<IncomingResponse> {
    // The one reader of the body ends it.
    const { signal } = new AbortController();
    return resource.fetch({ conditions: [], fromByte: 0, avoid: new Set(), signal, alone: true });
  }

  #keyOf(url: string): string {
    return `raw:${this.#options.name}:${url}`;
  }
}

// Builds the raw mounts of a configuration: one service each, over the one cache and the one client.

/** One raw mount as it is configured. */
export interface RawMountOptions {
  readonly name: string;
  /** Base URL with the final slash. */
  readonly origin: string;
  readonly maxBodyBytes: number;
  /** Milliseconds past expiry during which a copy may stand in for a failing origin; without it for ever. */
  readonly staleIfErrorMs?: number;
  readonly overrideCacheControl?: string;
  readonly redirectOrigins: readonly string[];
}

/** What all mounts use. */
export interface SharedByMounts {
  readonly readThrough: ReadThrough;
  readonly client: Fetcher;
  readonly rightsOf: (mount: string) => OriginRights;
  /** Told how each request to an origin ended. */
  readonly finishAbandonedBytes: number;
  readonly onAnswer: (mount: string, result: RawResult) => void;
}

/** The services of all raw mounts, by name. */
export function rawServices(
  mounts: readonly RawMountOptions[],
  shared: SharedByMounts,
): ReadonlyMap<string, RawService> {
  return new Map(mounts.map((mount) => [mount.name, serviceOf(mount, shared)]));
}

function serviceOf(mount: RawMountOptions, shared: SharedByMounts): RawService {
  const { readThrough, client, rightsOf, finishAbandonedBytes, onAnswer } = shared;
  const { name, origin, maxBodyBytes, redirectOrigins, staleIfErrorMs, overrideCacheControl } = mount;
  return new RawService({
    name,
    origin,
    readThrough,
    profile: rawProfile({
      maxBodyBytes,
      finishAbandonedBytes,
      ...(staleIfErrorMs !== undefined && { staleIfErrorSeconds: staleIfErrorMs / 1000 }),
      ...(overrideCacheControl !== undefined && { overrideCacheControl }),
    }),
    source: new RawSource({
      client,
      rights: rightsOf(name),
      maxBodyBytes,
      redirectOrigins,
      onAnswer: (result) => onAnswer(name, result),
    }),
  });
}

// How what a raw mount brings is cached: by RFC 9111 alone. The operator may lengthen what the origin allows in
// trouble, and may speak for the origin; both before the engine sees the answer, which bends no rule by itself.

/** What an operator may change of a raw mount's caching. */
export interface RawProfileOptions {
  /** Largest body that is taken from upstream. */
  readonly maxBodyBytes: number;
  /** What may be missing of a body that nobody reads any more for it to be fetched to its end. */
  readonly finishAbandonedBytes: number;
  /** Seconds past expiry during which a copy may stand in for a failing upstream; without it for ever. */
  readonly staleIfErrorSeconds?: number;
  /** Takes the place of Cache-Control in 200 answers and of all that would overrule it. */
  readonly overrideCacheControl?: string;
}

/** Known to be this small, a body is sent when it is stored: a cut one is then an error and no broken download. */
const WHOLE_UP_TO_BYTES = 64 * 1024;
/** How long a client waits for upstream when a copy may stand in. */
const PATIENCE_MS = 3_000;

/** The profile of one mount; make it once, for what is computed of stored responses is remembered by its rules. */
export function rawProfile(options: RawProfileOptions): Profile {
  const { maxBodyBytes, finishAbandonedBytes, staleIfErrorSeconds, overrideCacheControl } = options;
  const rules: CacheRules = { ...STRICT_RULES, ...(staleIfErrorSeconds !== undefined && { staleIfErrorSeconds }) };
  return {
    name: 'raw',
    rules,
    body: {
      kind: 'streamed',
      maxBytes: maxBodyBytes,
      wholeUpToBytes: WHOLE_UP_TO_BYTES,
      // Nobody knows beforehand what the bytes should be: there is nothing to hold back for.
      holdBackBytes: 0,
      finishAbandonedBytes,
      shared: false,
    },
    patienceMs: PATIENCE_MS,
    refreshAhead: false,
    // Every status is the origin's word; which of them may be stored or masked is RFC 9111's and RFC 5861's to say.
    meaning: () => 'content',
    grant:
      overrideCacheControl === undefined
        ? ({ fields }) => fields
        : (response) => spokenFor(response, overrideCacheControl, rules.targeted),
    judge: () => ({ kind: 'replace' }),
    contradicts: () => false,
  };
}

/** What a 304 says of the 200 that it confirms is overridden as well. */
function spokenFor({ status, fields }: ResponseHead, cacheControl: string, targeted: readonly string[]): Fields {
  if (status !== 200 && status !== 304) return fields;
  return withField(withoutFields(fields, new Set(['expires', 'pragma', ...targeted])), 'cache-control', cacheControl);
}
