// Raw mounts over HTTP: reading goes through the cache, everything else through http-proxy.

import type { Answer } from '../cache/answer.ts';
import { MethodNotAllowed, NotFound } from '../core/errors.ts';
import type { Fields, RequestHead } from '../core/http-message.ts';
import { cacheStatus } from '../http-semantics/cache-status.ts';
import type { RawService } from '../raw/raw-service.ts';
import type { Exchange } from './exchange.ts';
import { endToEndFields, sendInformational } from './forwarded-fields.ts';
import { isolated, type WebOrigin } from './isolated-fields.ts';
import type { Passthrough } from './passthrough.ts';
import { RawReply } from './raw-reply.ts';
import { originForm } from './routes.ts';

/** One raw mount as the handler knows it. */
export interface RawMount {
  readonly service: RawService;
  /** The mount's own Authorization, for requests without one. */
  readonly authorization: (url: string) => string | undefined;
  /** Whether the operator speaks for the origin: Cache-Status says so. */
  readonly overridden: boolean;
}

/** All raw mounts. */
export interface RawHandlerOptions {
  readonly mounts: ReadonlyMap<string, RawMount>;
  readonly passthrough: Passthrough;
  readonly onStale: (answer: Answer) => void;
}

type Adapt = (fields: Fields) => Fields;

/** Their answers show what was sent, or hand the connection over; TRACK is TRACE under another name. */
const REFUSED_METHODS: ReadonlySet<string> = new Set(['TRACE', 'TRACK', 'CONNECT']);
const ALLOWED = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';

/** Answers raw mounts over HTTP. */
export class RawHandler {
  readonly #options: RawHandlerOptions;

  constructor(options: RawHandlerOptions) {
    this.#options = options;
  }

  /** Serves the mount at its root: the whole request target belongs to it. */
  async root(exchange: Exchange, name: string): Promise<void> {
    return this.#serve(exchange, name, originForm(exchange.request.url ?? '').slice(1), 'own');
  }

  /** `rest` is what follows the mount's own path, query included, as it came. */
  async handle(exchange: Exchange, name: string, rest: string): Promise<void> {
    return this.#serve(exchange, name, rest, 'shared');
  }

  async #serve(exchange: Exchange, name: string, rest: string, webOrigin: WebOrigin): Promise<void> {
    exchange.kind = 'raw';
    const mount = this.#options.mounts.get(name);
    if (mount === undefined) throw new NotFound('No raw mount has this name.', 'no-such-route');
    const { method = '', rawHeaders } = exchange.request;
    // RFC 9110 9.3.8: the answer to TRACE is the request as it arrived, the mount's credentials in it.
    if (REFUSED_METHODS.has(method)) throw new MethodNotAllowed(`${method} is not forwarded by raw mounts.`, ALLOWED);
    const request: RequestHead = { method, url: mount.service.urlOf(rest), fields: endToEndFields(rawHeaders) };
    const reads = (method === 'GET' || method === 'HEAD') && !hasBody(exchange);
    const adapt = (fields: Fields) => isolated(fields, webOrigin);
    return reads ? this.#read(exchange, mount, request, adapt) : this.#write(exchange, mount, request, adapt);
  }

  async #read(
    exchange: Exchange,
    { service, overridden }: RawMount,
    request: RequestHead,
    adapt: Adapt,
  ): Promise<void> {
    const resource = service.resource(request, (status, fields) => sendInformational(exchange, status, fields));
    const answer = await service.read(resource);
    if (answer.stale !== undefined) this.#options.onStale(answer);
    await new RawReply({ exchange, service, resource, overridden, adapt }).send(answer);
  }

  /** Unsafe and unknown methods, and readers with a body of their own: forwarded, not stored (RFC 9111 4, 4.4). */
  async #write(
    exchange: Exchange,
    { service, authorization }: RawMount,
    request: RequestHead,
    adapt: Adapt,
  ): Promise<void> {
    exchange.outcome = 'passthrough';
    const reason = request.method === 'GET' || request.method === 'HEAD' ? 'bypass' : 'method';
    await this.#options.passthrough.forward(exchange.request, exchange.response, {
      url: request.url,
      kind: 'raw',
      credentials: exchange.request.headers.authorization ?? authorization(request.url),
      onResponse: (status, fields) => service.written(request, { status, fields }),
      onInformational: (status, fields) => sendInformational(exchange, status, fields),
      adapt: (fields) => exchange.fieldsForClient([...adapt(fields), 'cache-status', cacheStatus({ fwd: reason })]),
    });
  }
}

function hasBody({ request: { headers } }: Exchange): boolean {
  const length = headers['content-length'];
  return (length !== undefined && length !== '0') || headers['transfer-encoding'] !== undefined;
}
