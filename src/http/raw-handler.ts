// Raw mounts over HTTP: reading goes through the cache, everything else through http-proxy.

import type { Answer } from '../cache/answer.ts';
import { cacheStatus } from '../cache/cache-status.ts';
import { NotFound } from '../errors.ts';
import type { RequestHead } from '../http-message.ts';
import type { RawService } from '../raw/raw-service.ts';
import type { Exchange } from './exchange.ts';
import { endToEndFields } from './forwarded-fields.ts';
import { sendInformational } from './informational.ts';
import type { Passthrough } from './passthrough.ts';
import { RawReply } from './raw-reply.ts';
import { originForm } from './routes.ts';

export interface RawMount {
  readonly service: RawService;
  /** The mount's own Authorization, for requests without one. */
  readonly authorization: (url: string) => string | undefined;
  /** Whether the operator speaks for the origin: Cache-Status says so. */
  readonly overridden: boolean;
}

export interface RawHandlerOptions {
  readonly mounts: ReadonlyMap<string, RawMount>;
  readonly passthrough: Passthrough;
  readonly onStale: (answer: Answer) => void;
}

export class RawHandler {
  readonly #options: RawHandlerOptions;

  constructor(options: RawHandlerOptions) {
    this.#options = options;
  }

  /** Serves the mount at its root: the whole request target belongs to it. */
  async root(exchange: Exchange, name: string): Promise<void> {
    return this.handle(exchange, name, originForm(exchange.request.url ?? '').slice(1));
  }

  /** `rest` is what follows the mount's own path, query included, as it came. */
  async handle(exchange: Exchange, name: string, rest: string): Promise<void> {
    exchange.kind = 'raw';
    const mount = this.#options.mounts.get(name);
    if (mount === undefined) throw new NotFound('No raw mount has this name.', 'no-such-route');
    const { method = '', rawHeaders } = exchange.request;
    const request: RequestHead = { method, url: mount.service.urlOf(rest), fields: endToEndFields(rawHeaders) };
    const reads = (method === 'GET' || method === 'HEAD') && !hasBody(exchange);
    return reads ? this.#read(exchange, mount, request) : this.#write(exchange, mount, request);
  }

  async #read(exchange: Exchange, { service, overridden }: RawMount, request: RequestHead): Promise<void> {
    const resource = service.resource(request, (status, fields) => sendInformational(exchange, status, fields));
    const answer = await service.read(resource);
    if (answer.stale !== undefined) this.#options.onStale(answer);
    await new RawReply({ exchange, service, resource, overridden }).send(answer);
  }

  /** Unsafe and unknown methods, and readers with a body of their own: forwarded, not stored (RFC 9111 4, 4.4). */
  async #write(exchange: Exchange, { service, authorization }: RawMount, request: RequestHead): Promise<void> {
    exchange.outcome = 'passthrough';
    const reason = request.method === 'GET' || request.method === 'HEAD' ? 'bypass' : 'method';
    await this.#options.passthrough.forward(exchange.request, exchange.response, {
      url: request.url,
      kind: 'raw',
      credentials: exchange.request.headers.authorization ?? authorization(request.url),
      onResponse: (status, fields) => service.written(request, { status, fields }),
      onInformational: (status, fields) => sendInformational(exchange, status, fields),
      addFields: ['cache-status', cacheStatus({ fwd: reason })],
    });
  }
}

function hasBody({ request: { headers } }: Exchange): boolean {
  const length = headers['content-length'];
  return (length !== undefined && length !== '0') || headers['transfer-encoding'] !== undefined;
}
