// `/-/api/`: what the person on call asks and orders. Everything needs the token, and what has an effect is a POST.

import { bearsToken } from '../access/admin-token.ts';
import { BadRequest, MethodNotAllowed, NotFound, Unauthorized } from '../core/errors.ts';
import type { Exchange } from '../http/exchange.ts';
import { sendJson } from '../http/own-answer.ts';
import type { Route } from '../http/routes.ts';
import { type ProjectName, parseProjectName } from '../pages/project-name.ts';

/** What can be asked and ordered; every answer is sent as JSON. */
export interface Administration {
  status(): Promise<unknown>;
  stats(): Promise<unknown>;
  /** Newest first. */
  events(limit: number): Promise<unknown>;
  explain(project: ProjectName, filename: string | undefined): Promise<unknown>;
  /** Forgets the project everywhere, or everything without one; resolves with what was removed. */
  purge(project: ProjectName | undefined): Promise<unknown>;
}

/** What the API may tell and order, and who may ask. */
export interface AdminApiOptions {
  readonly token: string;
  readonly administration: Administration;
  /** Told of every order before it is carried out, and whose it is; what it throws ends the order. */
  readonly onOrder: (order: { readonly order: 'purge'; readonly project?: ProjectName }, exchange: Exchange) => void;
}

const MAX_BODY_BYTES = 16 * 1024;
const MAX_EVENTS = 500;

/** The administration over HTTP, below `/-/api/`. Rejects with Unauthorized, NotFound or BadRequest. */
export class AdminApi {
  readonly #options: AdminApiOptions;

  constructor(options: AdminApiOptions) {
    this.#options = options;
  }

  /** Answers the exchange. Rejects with Unauthorized without the token, whatever was asked. */
  async handle(exchange: Exchange, { operation, query }: Extract<Route, { kind: 'admin' }>): Promise<void> {
    exchange.kind = 'admin';
    if (!bearsToken(exchange.request.headers.authorization, this.#options.token)) {
      throw new Unauthorized(
        'The administration needs the token that is in the data folder, as a bearer token.',
        'Bearer realm="wheelkeep"',
      );
    }
    const { administration } = this.#options;
    switch (operation) {
      case 'status':
        requireMethod(exchange, 'GET');
        return sendJson(exchange, await administration.status());
      case 'stats':
        requireMethod(exchange, 'GET');
        return sendJson(exchange, await administration.stats());
      case 'events':
        requireMethod(exchange, 'GET');
        return sendJson(exchange, { events: await administration.events(limitOf(query)) });
      case 'explain':
        requireMethod(exchange, 'GET');
        return sendJson(
          exchange,
          await administration.explain(projectOf(query.get('project')), query.get('file') ?? undefined),
        );
      case 'purge': {
        requireMethod(exchange, 'POST');
        const project = purgedOf(await bodyOf(exchange));
        this.#options.onOrder({ order: 'purge', ...(project !== undefined && { project }) }, exchange);
        return sendJson(exchange, await administration.purge(project));
      }
    }
    throw new NotFound('The administration has status, stats, events, explain and purge.', 'no-such-route');
  }
}

function requireMethod({ request }: Exchange, method: 'GET' | 'POST'): void {
  if (request.method === method || (method === 'GET' && request.method === 'HEAD')) return;
  const allow = method === 'GET' ? 'GET, HEAD' : 'POST';
  throw new MethodNotAllowed(`${request.method} is not served here.`, allow);
}

function limitOf(query: URLSearchParams): number {
  const limit = query.get('limit') ?? '100';
  if (!/^\d{1,3}$/.test(limit)) throw new BadRequest('limit is a number of events.');
  return Math.min(Number(limit), MAX_EVENTS);
}

function projectOf(text: unknown): ProjectName {
  const parsed = typeof text === 'string' ? parseProjectName(text) : undefined;
  if (parsed === undefined) throw new BadRequest('project is the name of a project.');
  return parsed.name;
}

/** `{"project": "numpy"}` or `{"all": true}`; nothing else, so that a slip of the pen forgets nothing. */
function purgedOf(body: unknown): ProjectName | undefined {
  const { project, all, ...others } = (body ?? {}) as { readonly project?: unknown; readonly all?: unknown };
  if (Object.keys(others).length === 0) {
    if (all === true && project === undefined) return undefined;
    if (all === undefined && project !== undefined) return projectOf(project);
  }
  throw new BadRequest('The body is {"project": "<name>"} or {"all": true}.');
}

async function bodyOf({ request }: Exchange): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  // The request must outlive a body that is too large: its answer goes out over the same connection.
  const body = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new BadRequest('The body is too large.');
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new BadRequest('The body is no JSON.');
  }
}
