// One raw mount: any other origin, cached by RFC 9111 alone. Reading goes through the one read-through flow; what may
// not be shared goes straight through, and what changes the origin makes us forget.

import type { Answer, Forward } from '../cache/answer.ts';
import type { Profile, Resource } from '../cache/profile.ts';
import type { AnswerBody, ReadThrough } from '../cache/read-through.ts';
import { BadRequest, GatewayTimeout, UpstreamFailure } from '../core/errors.ts';
import { fieldValue, type IncomingResponse, type RequestHead, type ResponseHead } from '../core/http-message.ts';
import { askingClient } from '../core/request-context.ts';
import { invalidatedUrls } from '../http-semantics/invalidate.ts';
import { readRequest } from '../http-semantics/request.ts';
import { askedBy } from '../http-semantics/vary.ts';
import type { Entry } from '../store/entries/entry.ts';
import { hidesDotSegment } from './dot-segments.ts';
import type { OnInformational, RawSource } from './raw-source.ts';

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

  /** `request.url` is the origin's; `fields` are all that are end-to-end. 1xx are told to whoever starts a flight. */
  resource(request: RequestHead, onInformational: OnInformational): Resource {
    const { name, profile, source } = this.#options;
    return {
      key: this.#keyOf(request.url),
      upstream: name,
      profile,
      request: askedBy(request, askingClient()),
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
    // Whoever reads the body ends it; there is nobody else to end it for.
    const { signal } = new AbortController();
    return resource.fetch({ conditions: [], fromByte: 0, avoid: new Set(), signal, alone: true });
  }

  #keyOf(url: string): string {
    return `raw:${this.#options.name}:${url}`;
  }
}
