// Asks one index for a page: its mirrors in turn, healthy ones first, the next one when one fails or stays silent.
// While every mirror's circuit is open it fails at once, so that the cache can serve what it has without waiting.

import { Readable } from 'node:stream';
import { LRUCache } from 'lru-cache';
import type { Permit } from '../core/breaker.ts';
import { BadRequest, type FailureKind, UpstreamFailure } from '../core/errors.ts';
import type { Fields, IncomingResponse } from '../core/http-message.ts';
import type { MinimumRate } from '../net/arriving-body.ts';
import { discard } from '../net/discard.ts';
import type { OriginRights } from '../net/origin-rights.ts';
import { RefusedRedirect } from '../net/redirects.ts';
import type { FetchRequest, UpstreamClient } from '../net/upstream-client.ts';
import { type Ask, firstAnswer, HedgeBudget } from './first-answer.ts';
import { Inquiry } from './inquiry.ts';
import { Mirror, type MirrorEvent, type MirrorStatus, type Refusal, WatchedRequest } from './mirror.ts';
import { asConfigured, byLatency, leaderOf, type MirrorOrder } from './mirror-order.ts';
import { type AcceptedFormats, type PageAnswerRules, pageAnswer, pageFields } from './page-answer.ts';

/** How one request to one mirror ended; for the metrics. */
export interface MirrorResult {
  readonly mirror: string;
  readonly result: 'ok' | 'not-modified' | 'missing' | FailureKind;
  readonly hedge: boolean;
  /** Nobody wanted it: it was to show whether the mirror works. */
  readonly neutral?: true;
  /** Until the head of the answer or the failure. */
  readonly latencyMs: number;
}

/** Whether the mirror answered for itself: a page, its confirmation, or that there is none. */
export function isAnswer({ result, neutral }: MirrorResult): boolean {
  if (neutral === true) return false;
  return result === 'ok' || result === 'not-modified' || result === 'missing';
}

/** One index and its mirrors. */
export interface IndexUpstreamOptions {
  readonly client: Pick<UpstreamClient, 'fetch' | 'reportSlow'>;
  /** The bases of its simple API, with the final slash; all serve the same index. */
  readonly bases: readonly { readonly url: string }[];
  /** What proves us to them. */
  readonly rights?: OriginRights;
  /** By what the mirrors are ordered; as configured unless given. */
  readonly order?: MirrorOrder;
  /** Statuses that mean "not here" at this index, beside 404 and 410. */
  readonly missingStatuses: readonly number[];
  /** Whether a redirect to another origin means "not here", as where those without a session are sent to a login. */
  readonly missingRedirects?: boolean;
  /** Further hosts (or origins) to which its pages may redirect. */
  readonly pageOrigins: readonly string[];
  readonly accept: AcceptedFormats;
  readonly maxPageBytes: number;
  readonly now: () => number;
  /** In [0, 1): jitter. */
  readonly random: () => number;
  readonly onEvent?: (event: MirrorEvent) => void;
  readonly count?: (result: MirrorResult) => void;
  /**
   * What may be asked for when the server itself is in doubt, beside what was well lately: '' for the project list;
   * undefined where there is nothing of this kind that every server has.
   */
  readonly neutralPath?: string;
  /** Rejects with UpstreamFailure 'invalid-body' when a whole body is not what the path is for. */
  readonly check?: (path: string, response: IncomingResponse, body: Buffer) => Promise<void>;
  /** No answer for that long: a second request is sent beside the first, within the hedge budget. */
  readonly hedgeAfterMs?: number;
  /** No answer for that long: another mirror is asked, whatever the hedge budget. */
  readonly overdueAfterMs?: number;
  /** The head of the answer arrives within that, over all mirrors and attempts, or the fetch fails. */
  readonly totalMs?: number;
  readonly minimumRate?: MinimumRate;
}

/** Clients are told to come back after ten seconds; what they come back for goes on that long. */
const LONGEST_SILENCE_MS = 30_000;
/** A request that has not come to its turn at a connection by then fails: its client asks anew. */
const LONGEST_QUEUE_MS = 9_200;
/** By then a client has been told to come back. */
const OVERDUE_MS = 10_000;

const NONE: ReadonlySet<string> = new Set();

/** A page may be asked for at several mirrors: what they share. */
interface PageRequest {
  readonly path: string;
  readonly subject: string;
  readonly conditions: (base: string) => Fields;
  readonly deadline: number;
  readonly tried: Set<Mirror>;
  /** Neutral probes that had to be sent first. */
  readonly probes: Promise<void>[];
  readonly running: Set<Attempt>;
}

/** One request to one mirror. */
interface Attempt {
  readonly mirror: Mirror;
  /** Undefined for a question that nobody waits for. */
  readonly watched?: WatchedRequest;
  readonly hedge: boolean;
  readonly started: number;
  /** When the request was sent, the connection being open; undefined before. */
  sent: number | undefined;
  /** The address that is being asked, once it is known. */
  source: string | undefined;
}

/** Asks the mirrors of one index for one kind of document. Rejects with an UpstreamFailure. */
export class IndexUpstream {
  readonly #options: IndexUpstreamOptions;
  readonly #mirrors: readonly Mirror[];
  /** The one that is asked first, where latency decides. */
  #leader: Mirror | undefined;
  readonly #budget = new HedgeBudget();
  readonly #rules: PageAnswerRules;
  readonly #pageHosts: ReadonlySet<string>;
  /** Which mirror a response's source belongs to; as many as there are addresses. */
  readonly #mirrorOf = new LRUCache<string, Mirror>({ max: 1000 });

  readonly #answeredBy = new WeakMap<IncomingResponse, string>();
  readonly #inquiry: Inquiry;

  constructor(options: IndexUpstreamOptions) {
    this.#options = options;
    const { now, random, onEvent } = options;
    this.#mirrors = options.bases.map(({ url }) => new Mirror({ url, now, random, onEvent }));
    this.#rules = { missing: new Set(options.missingStatuses), now, random };
    this.#pageHosts = new Set(options.pageOrigins.map((origin) => URL.parse(origin)?.host || origin));
    this.#inquiry = new Inquiry({
      neutralPath: options.neutralPath,
      check: options.check,
      ask: (mirror, path) => this.#askNeutrally(mirror, path),
    });
  }

  /**
   * The page at `path`, resolved against the base (`numpy/`; empty for the project list): status 200, 304, 404, 410 or
   * 451, the body still arriving. `conditions` are further fields, validators above all, which may differ by mirror and
   * replace ours of the same name. Throws UpstreamFailure: 'circuit-open' at once, everything else within the deadline;
   * BadRequest when `path` leads away from the index's own origin. Mirrors whose base is in `except` are not asked.
   */
  async fetchPage(
    path: string,
    conditions: Fields | ((base: string) => Fields),
    signal: AbortSignal,
    except: ReadonlySet<string> = NONE,
  ): Promise<IncomingResponse> {
    const deadline = performance.now() + (this.#options.totalMs ?? LONGEST_SILENCE_MS);
    const ask = (excluded: ReadonlySet<string>) => this.#fetchOne(path, conditions, signal, deadline, excluded);
    const response = await ask(except);
    return isMissing(response) ? this.#secondOpinion(response, except, signal, ask) : response;
  }

  /**
   * A 404 of one mirror is that mirror's opinion: the next is heard before it counts. Where the others say the same, or
   * cannot be asked, it does.
   */
  async #secondOpinion(
    response: IncomingResponse,
    except: ReadonlySet<string>,
    signal: AbortSignal,
    ask: (except: ReadonlySet<string>) => Promise<IncomingResponse>,
  ): Promise<IncomingResponse> {
    const lacking = this.mirrorOf(response)!;
    const asked = new Set([...except, lacking]);
    if (this.#mirrors.every(({ url }) => asked.has(url))) return response;
    let other: IncomingResponse;
    try {
      other = await ask(asked);
    } catch (error) {
      if (!(error instanceof UpstreamFailure) || signal.aborted) throw error;
      return response;
    }
    if (isMissing(other)) {
      discard(other.body);
      return response;
    }
    discard(response.body);
    this.setAside(lacking, 'missing');
    return other;
  }

  async #fetchOne(
    path: string,
    conditions: Fields | ((base: string) => Fields),
    signal: AbortSignal,
    deadline: number,
    except: ReadonlySet<string>,
  ): Promise<IncomingResponse> {
    const page: PageRequest = {
      path,
      subject: subjectOf(path),
      conditions: typeof conditions === 'function' ? conditions : () => conditions,
      deadline,
      tried: new Set(this.#mirrors.filter(({ url }) => except.has(url))),
      probes: [],
      running: new Set(),
    };
    pageUrl(path, this.#mirrors[0]!.url);
    let first = this.#askNext(page, false);
    if (first === undefined && page.probes.length > 0) {
      // Who failed itself is no probe; when the neutral one is well, it is this one's turn.
      await Promise.race([Promise.all(page.probes), aborted(signal)]);
      first = this.#askNext(page, false);
    }
    if (first === undefined) throw this.#circuitOpen(page.subject);
    this.#budget.earn();
    return firstAnswer({
      first,
      next: (reason) => {
        if (reason === 'failover') return this.#askNext(page, false);
        // Rather one request more than a client that comes back in vain.
        if (reason === 'overdue') return this.#askNext(page, true);
        if (!this.#budget.spend()) return undefined;
        return this.#askNext(page, true) ?? this.#askAgain(page);
      },
      hedgeAfterMs: this.#options.hedgeAfterMs ?? 4_000,
      overdueAfterMs: this.#options.overdueAfterMs ?? OVERDUE_MS,
      signal,
      late: ({ body }) => discard(body),
    });
  }

  /** The base of the mirror that gave this answer of `fetchPage`. */
  mirrorOf(response: IncomingResponse): string | undefined {
    return this.#answeredBy.get(response);
  }

  /** The page of the mirror with this base was refused: it is asked last for a while. */
  setAside(base: string, reason: Refusal): void {
    this.#mirrors.find(({ url }) => url === base)?.setAside(reason);
  }

  /** The body that `source` sent for this path was what it should be. */
  reportValidPage(source: string, path: string): void {
    this.#mirrorOf.get(source)?.valid(subjectOf(path), path);
  }

  /** The body that `source` sent for this path was not what it should be. */
  reportInvalidPage(source: string, path: string): void {
    const mirror = this.#mirrorOf.get(source);
    mirror?.invalid(subjectOf(path));
    if (mirror !== undefined) this.#inquiry.afterFailure(mirror);
  }

  status(): MirrorStatus[] {
    const leader = this.#lead();
    return this.#mirrors.map((mirror) => mirror.status(mirror === leader));
  }

  #lead(): Mirror {
    return this.#options.order === 'latency' ? leaderOf(this.#mirrors, this.#leader) : asConfigured(this.#mirrors)[0]!;
  }

  #inOrder(): Mirror[] {
    if (this.#options.order !== 'latency') return asConfigured(this.#mirrors);
    this.#leader = this.#lead();
    return byLatency(this.#mirrors, this.#leader, this.#options.now());
  }

  /** The next mirror in the order of preference whose circuit allows it. */
  #askNext(page: PageRequest, hedge: boolean): Ask<IncomingResponse> | undefined {
    for (const mirror of this.#inOrder()) {
      if (page.tried.has(mirror)) continue;
      if (mirror.needsNeutralProbe(page.subject) && this.#inquiry.canProbe(mirror)) {
        page.probes.push(this.#inquiry.probe(mirror));
        continue;
      }
      const permit = mirror.begin(page.subject);
      if (permit === undefined) continue;
      page.tried.add(mirror);
      return (signal) => this.#ask(page, this.#attemptAt(page, mirror, permit, hedge), signal);
    }
    return undefined;
  }

  /** The silent mirror once more, at another address or over a new connection. Never beside a probe. */
  #askAgain(page: PageRequest): Ask<IncomingResponse> | undefined {
    const [silent] = page.running;
    const permit = silent?.mirror.begin(page.subject);
    if (silent === undefined || permit === undefined) return undefined;
    return (signal) => this.#ask(page, this.#attemptAt(page, silent.mirror, permit, true), signal);
  }

  async #ask(page: PageRequest, attempt: Attempt, signal: AbortSignal): Promise<IncomingResponse> {
    const { count } = this.#options;
    const { mirror, watched, hedge, started } = attempt;
    const url = pageUrl(page.path, mirror.url);
    const finish = (result: MirrorResult['result']): void =>
      count?.({ mirror: mirror.url, result, hedge, latencyMs: performance.now() - started });
    const othersSources = [...page.running].flatMap(({ source }) => (source === undefined ? [] : [source]));
    page.running.add(attempt);
    try {
      const response = await this.#fetch(page, attempt, url, othersSources, signal);
      const answer = { ...pageAnswer(response, url.host, this.#rules), base: mirror.url };
      mirror.answered(performance.now() - (attempt.sent ?? started));
      this.#mirrorOf.set(answer.source, mirror);
      this.#answeredBy.set(answer, mirror.url);
      finish(resultOf(answer));
      this.#settle(answer, page, attempt);
      if (hedge) this.#overtaken(page, attempt);
      return answer;
    } catch (error) {
      if (!(error instanceof UpstreamFailure)) {
        // A fault of our own says nothing of the mirror.
        watched?.abandoned();
        throw error;
      }
      watched?.failed(error);
      finish(error.kind);
      throw error;
    } finally {
      page.running.delete(attempt);
    }
  }

  async #fetch(
    page: PageRequest,
    attempt: Attempt,
    url: URL,
    avoid: readonly string[],
    signal: AbortSignal,
  ): Promise<IncomingResponse> {
    const { accept, client, maxPageBytes, minimumRate, missingRedirects, now, rights } = this.#options;
    const requestTime = now();
    const request: FetchRequest = {
      url: url.href,
      method: 'GET',
      fields: pageFields(accept, page.conditions(attempt.mirror.url)),
      ...(rights !== undefined && { rights, place: attempt.mirror.url }),
      signal,
      headersTimeoutMs: Math.max(1, page.deadline - performance.now()),
      queueTimeoutMs: LONGEST_QUEUE_MS,
      maxBodyBytes: maxPageBytes,
      mayRedirect: (from, to) => this.#pageHosts.has(to.host) || this.#isItself(from, to),
      followRedirects: true,
      retry: true,
      trusted: 'configured',
      avoidSources: new Set(avoid),
      freshConnection: attempt.hedge,
      onAttempt: (source) => {
        attempt.source = source;
        attempt.sent ??= performance.now();
        attempt.watched?.sent(url.host);
      },
      ...(minimumRate !== undefined && { minimumRate }),
    };
    try {
      return await client.fetch(request);
    } catch (error) {
      if (!(error instanceof RefusedRedirect) || !leadsAway(error)) throw error;
      if (missingRedirects !== true) throw redirectedAway(error);
      const body = Readable.from([]);
      const source = attempt.source ?? '';
      return { status: 404, fields: [], url: url.href, source, requestTime, responseTime: now(), body };
    }
  }

  /** Whether a redirect stays with the index: on its host, or, where another origin means "not here", on its origin. */
  #isItself(from: URL, to: URL): boolean {
    if (to.hostname !== from.hostname) return false;
    const isUpgrade = from.protocol === 'http:' && to.protocol === 'https:' && from.port === '' && to.port === '';
    return this.#options.missingRedirects !== true || to.origin === from.origin || isUpgrade;
  }

  /** `winner` was sent seconds after those that still run: they are asked last for a while. */
  #overtaken(page: PageRequest, winner: Attempt): void {
    for (const { mirror, source, started } of page.running) {
      if (mirror !== winner.mirror) mirror.overtaken(performance.now() - started);
      else if (source !== undefined && source !== winner.source) this.#options.client.reportSlow(source);
    }
  }

  /** Asks a mirror for something that nobody wants, to learn whether it works. */
  async #askNeutrally(mirror: Mirror, path: string): Promise<IncomingResponse> {
    const page: PageRequest = {
      path,
      subject: subjectOf(path),
      conditions: () => [],
      deadline: performance.now() + (this.#options.totalMs ?? mirror.silentMs),
      tried: new Set(),
      probes: [],
      running: new Set(),
    };
    // Nobody waits for it, so nobody watches it: the inquiry hears how it ends.
    const attempt: Attempt = { mirror, hedge: false, started: performance.now(), sent: undefined, source: undefined };
    const url = pageUrl(path, mirror.url);
    const finish = (result: MirrorResult['result']): void =>
      this.#options.count?.({
        mirror: mirror.url,
        result,
        hedge: false,
        neutral: true,
        latencyMs: performance.now() - attempt.started,
      });
    try {
      const response = await this.#fetch(page, attempt, url, [], new AbortController().signal);
      const answer = pageAnswer(response, url.host, this.#rules);
      finish(resultOf(answer));
      return answer;
    } catch (error) {
      if (error instanceof UpstreamFailure) finish(error.kind);
      throw error;
    }
  }

  #attemptAt({ subject }: PageRequest, mirror: Mirror, permit: Permit, hedge: boolean): Attempt {
    const watched = new WatchedRequest(mirror, permit, subject, () => this.#inquiry.afterFailure(mirror));
    // A clock that is set while we wait must not lengthen a deadline or a latency.
    return { mirror, watched, hedge, started: performance.now(), sent: undefined, source: undefined };
  }

  /** A page that breaks off speaks against the mirror as much as none; only a whole one closes its circuit. */
  #settle({ status, body }: IncomingResponse, page: PageRequest, { mirror, watched }: Attempt): void {
    if (status !== 200) {
      watched?.succeeded();
      if (status === 304) mirror.valid(page.subject, page.path);
      else mirror.answeredForItself();
      return;
    }
    body.once('close', () => {
      if (body.readableEnded) watched?.succeeded();
      else if (body.errored instanceof UpstreamFailure) watched?.failed(body.errored);
      else watched?.abandoned();
    });
  }

  #circuitOpen(subject: string): UpstreamFailure {
    const nextTry = Math.min(...this.#mirrors.map((mirror) => mirror.nextTry(subject)));
    const pauseMs = Math.max(0, nextTry - this.#options.now());
    const hosts = this.#mirrors.map(({ url }) => new URL(url).host).join(', ');
    return new UpstreamFailure('circuit-open', `${hosts}: not asked, because it failed repeatedly or wants a pause`, {
      pauseMs,
    });
  }
}

function leadsAway({ from, to }: RefusedRedirect): boolean {
  return to.origin !== from.origin && (to.protocol === 'https:' || to.protocol === 'http:');
}

/** Names the options by which an operator says what such a redirect means. */
function redirectedAway({ message, from, to }: RefusedRedirect): RefusedRedirect {
  const cure = `page_origins: [${to.origin}] of the index follows it, missing_redirects: true reads it as "not here"`;
  return new RefusedRedirect(from, to, `${message.slice(from.host.length + 1)}; ${cure}`);
}

function pageUrl(path: string, base: string): URL {
  const url = new URL(path, base);
  if (url.origin !== new URL(base).origin) throw new BadRequest('this is no path of the index');
  return url;
}

/** Whose failure it is: a page's own, and for documents beside the simple API (`../pypi/numpy/…`) their project's. */
function subjectOf(path: string): string {
  return path.startsWith('../') ? path.split('/').slice(0, 3).join('/') : path;
}

function resultOf({ status }: IncomingResponse): 'ok' | 'not-modified' | 'missing' {
  return status === 200 ? 'ok' : status === 304 ? 'not-modified' : 'missing';
}

function isMissing({ status }: IncomingResponse): boolean {
  return status === 404 || status === 410;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
