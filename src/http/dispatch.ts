// Gives each route to the handler that answers it.

import { randomUUID } from 'node:crypto';
import { requireReading } from '../access/request-checks.ts';
import { Forbidden, MethodNotAllowed, NotFound } from '../core/errors.ts';
import { cacheStatus } from '../http-semantics/cache-status.ts';
import type { ServedDay } from '../observe/served-days.ts';
import type { ProjectName } from '../pages/project-name.ts';
import type { StatusPage } from '../status-page/status-page.ts';
import type { Exchange } from './exchange.ts';
import type { FileHandler } from './file-handler.ts';
import { isolated } from './isolated-fields.ts';
import type { JsonHandler } from './json-handler.ts';
import {
  answerLive,
  answerMetrics,
  answerReady,
  type MetricsEndpointOptions,
  type Readiness,
  sendJson,
  sendLastModified,
  sendOwn,
} from './own-answer.ts';
import type { PageHandler } from './page-handler.ts';
import type { Passthrough, PassthroughTarget } from './passthrough.ts';
import type { RawHandler } from './raw-handler.ts';
import { isAdministrative, type Route, routeOf } from './routes.ts';
import { UploadForm } from './upload-form.ts';

/** The handlers of all routes. */
export interface DispatchOptions {
  readonly pages: PageHandler;
  readonly files: FileHandler;
  readonly admin: { handle(exchange: Exchange, route: Extract<Route, { kind: 'admin' }>): Promise<void> };
  readonly documents: JsonHandler;
  readonly raw: RawHandler;
  readonly passthrough: Passthrough;
  readonly metrics: MetricsEndpointOptions;
  readonly statusPage: StatusPage;
  readonly readiness: () => Readiness;
  /** When the longest silent of the default indexes last agreed with us. */
  readonly lastAgreed: () => Promise<number | undefined>;
  /** What the policy says of a project, for who may read its page. */
  readonly policyVerdicts: (project: ProjectName) => Promise<unknown>;
  readonly servedDays: () => Promise<readonly ServedDay[]>;
  /** Names that may stand before `/simple/` and `/files/`. */
  readonly indexNames: ReadonlySet<string>;
  /** Where uploads to an index go, those to `/legacy/` without its name; undefined while they are switched off. */
  readonly uploadsTo: ((index: string | undefined) => string) | undefined;
  /** Told of the projects of an upload when its final answer is here, and waited for before that is sent on. */
  readonly onUploaded: (projects: readonly ProjectName[]) => Promise<void>;
  /** Where XML-RPC goes; undefined while it is switched off. */
  readonly xmlRpcTo: string | undefined;
}

/** What is served at an address: everything, or with `admin_listen` one of the two halves (isAdministrative). */
export type Served = 'everything' | 'indexes' | 'administration';

/** This process in `Via` (RFC 9110 7.6.3): a name that no other Wheelkeep has. */
export function viaName(): string {
  return `wheelkeep-${randomUUID().slice(0, 8)}`;
}

/** Sends each request to the handler of its route. */
export class Dispatch {
  readonly #options: DispatchOptions;

  constructor(options: DispatchOptions) {
    this.#options = options;
  }

  /** Answers the exchange. Rejects with a ProxyError for what cannot be answered. */
  async handle(exchange: Exchange, served: Served): Promise<void> {
    const route = routeOf(exchange.request.url ?? '', this.#options.indexNames);
    if (served !== 'everything' && isAdministrative(route) !== (served === 'administration')) {
      throw new NotFound(`This address serves the ${served} alone.`, 'no-such-route');
    }
    if (route.kind === 'upload') return this.#upload(exchange, route.index);
    if (route.kind === 'xml-rpc') return this.#callXmlRpc(exchange);
    if (route.kind === 'raw') return this.#options.raw.handle(exchange, route.mount, route.rest);
    if (route.kind === 'admin') return this.#options.admin.handle(exchange, route);
    requireReading(exchange);
    const { statusPage } = this.#options;
    switch (route.kind) {
      case 'detail':
        return this.#options.pages.detail(exchange, route.index, route.project, route.format);
      case 'list':
        return this.#options.pages.list(exchange, route.index, route.format);
      case 'file':
        return this.#options.files.file(exchange, route);
      case 'legacy-json':
        return this.#options.documents.legacyJson(exchange, route);
      case 'provenance':
        return this.#options.documents.provenance(exchange, route);
      case 'redirect':
        return redirect(exchange, route);
      case 'live':
        exchange.kind = 'health';
        return answerLive(exchange);
      case 'ready':
        exchange.kind = 'health';
        return answerReady(exchange, this.#options.readiness());
      case 'metrics':
        exchange.kind = 'metrics';
        return answerMetrics(exchange, this.#options.metrics);
      case 'policy':
        exchange.kind = 'status';
        return sendJson(exchange, await this.#options.policyVerdicts(route.project));
      case 'last-modified':
        exchange.kind = 'status';
        return sendLastModified(exchange, await this.#options.lastAgreed());
      case 'local-stats':
        exchange.kind = 'status';
        return sendJson(exchange, { days: await this.#options.servedDays() });
      case 'status':
        exchange.kind = 'status';
        return sendOwn(exchange, await statusPage.page(exchange.request.headers.accept));
      case 'status-style':
        exchange.kind = 'status';
        return sendOwn(exchange, statusPage.asset('style', exchange.request.url ?? ''));
      case 'status-script':
        exchange.kind = 'status';
        return sendOwn(exchange, statusPage.asset('script', exchange.request.url ?? ''));
    }
  }

  async #upload(exchange: Exchange, index: string | undefined): Promise<void> {
    requirePost(exchange);
    const { uploadsTo, onUploaded } = this.#options;
    if (uploadsTo === undefined) {
      throw new Forbidden('Uploads are not forwarded by this proxy: its option uploads is off.', 'uploads-disabled');
    }
    const form = new UploadForm(exchange.request.headers['content-type']);
    let isTold = false;
    const tell = async () => {
      if (isTold) return;
      isTold = true;
      await onUploaded([...form.projects]);
    };
    try {
      await this.#forward(exchange, uploadsTo(index), { onBytes: (chunk) => form.read(chunk), onResponse: tell });
    } finally {
      // Also when no answer came: the file may have been taken all the same.
      await tell();
    }
  }

  #callXmlRpc(exchange: Exchange): Promise<void> {
    requirePost(exchange);
    const { xmlRpcTo } = this.#options;
    if (xmlRpcTo !== undefined) return this.#forward(exchange, xmlRpcTo);
    throw new Forbidden('XML-RPC is not forwarded by this proxy: its option xml_rpc is off.', 'xml-rpc-disabled');
  }

  async #forward(
    exchange: Exchange,
    url: string,
    hooks: Pick<PassthroughTarget, 'onBytes' | 'onResponse'> = {},
  ): Promise<void> {
    // The expectation is not forwarded here: without our word the client would not send its body.
    if (exchange.request.headers.expect !== undefined) exchange.response.writeContinue();
    await this.#options.passthrough.forward(exchange.request, exchange.response, {
      url,
      kind: 'passthrough',
      // A client that uploads proves itself to the index, not to us.
      credentials: exchange.request.headers.authorization,
      // A form on any page of the web can make a browser show this answer under our name.
      adapt: (fields) =>
        exchange.fieldsForClient([...isolated(fields, 'shared'), 'cache-status', cacheStatus({ fwd: 'method' })]),
      ...hooks,
    });
  }
}

function requirePost(exchange: Exchange): void {
  exchange.kind = 'passthrough';
  exchange.outcome = 'passthrough';
  if (exchange.request.method !== 'POST') throw new MethodNotAllowed('Only POST is served here.', 'POST');
}

/** Only names and slashes are redirected for ever: pip repeats such an answer without asking (301). */
function redirect(exchange: Exchange, route: Extract<Route, { kind: 'redirect' }>): void {
  exchange.kind = route.of;
  exchange.send(301, [
    'location',
    route.location,
    'content-length',
    '0',
    'cache-control',
    exchange.cacheControl('public, max-age=86400'),
    'cache-status',
    cacheStatus({ hit: true }),
  ]);
}
