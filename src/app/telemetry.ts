// Translates what the layers tell into metrics, events and log lines. They know nothing of one another's words: this
// is the only place that does.

import type { Answer } from '../cache/answer.ts';
import type { FetchObserver, Resource } from '../cache/profile.ts';
import type { FailureKind } from '../core/errors.ts';
import type { OnThreadEnded } from '../index/page-pool.ts';
import type { PageRemarks } from '../index/page-resources.ts';
import type { EventKind, Events } from '../observe/events.ts';
import type { Log, LogFields } from '../observe/log.ts';
import type { RedisResultLabel } from '../observe/metric-table.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { RefusalRule } from '../policy/judge.ts';
import type { Policy } from '../policy/policy.ts';
import type { StoreEvent } from '../store/entries/entry-store.ts';
import type { RedisState } from '../store/redis/redis-entries.ts';
import type { MirrorResult } from '../upstream/index-upstream.ts';
import type { MirrorEvent, MirrorStatus, Refusal } from '../upstream/mirror.ts';

/** Where it is told: metrics, events, log. */
export interface TelemetryOptions {
  readonly metrics: Metrics;
  readonly events: Events;
  readonly log: Log;
  readonly now: () => number;
}

const REFUSED: Readonly<Record<Refusal, string>> = {
  lagging: 'its page is older than ours',
  'changed-hash': 'its page gives a known file another hash',
  'files-left': 'its page has no serial and lacks files that we know',
  'serial-jump': 'its page has a serial that no index has counted to since the page we hold',
  missing: 'it does not have something that we know or another has',
};

/** The same trouble is written to the log at most this often; the metrics count every one. */
const REPEAT_MS = 10_000;
/** How long a stale answer counts for the gauge of the oldest one. */
const RECENT_MS = 60_000;
/** The gauge of a breaker, by its state. */
const BREAKER_VALUES = { closed: 0, 'half-open': 1, open: 2 } as const;

/** Turns what the layers tell into metrics, events and log lines. */
export class Telemetry implements FetchObserver {
  readonly #options: TelemetryOptions;
  readonly #lastTold = new Map<string, number>();
  #evicted = { count: 0, bytes: 0 };
  #oldestStale = { ageSeconds: 0, servedAt: Number.NEGATIVE_INFINITY };

  constructor(options: TelemetryOptions) {
    this.#options = options;
  }

  integrityFailure(resource: Resource, kind: 'wrong-digest' | 'damaged-body'): void {
    this.#meters.integrityFailures.inc({ kind: kind === 'damaged-body' ? 'damaged-blob' : kind });
    this.#tell('integrity', `bytes from upstream did not match their hash: ${resource.request.url.split('?')[0]}`, {
      upstream: resource.upstream,
    });
  }

  ownFault(resource: Resource, error: unknown): void {
    this.#meters.unhandledErrors.inc({});
    this.#options.log.error('a fetch failed by a fault of our own; a stored copy is served where there is one', {
      upstream: resource.upstream,
      url: resource.request.url.split('?')[0],
      error: error instanceof Error ? error : new Error(String(error)),
    });
  }

  /** The page that the thread was at is rejected; other pages are read by a new thread. */
  readonly pageThreadEnded: OnThreadEnded = (why, project) => {
    this.#meters.pageThreadEnds.inc({ reason: why });
    const cost = { time: 'it takes too long', memory: 'it takes too much memory', error: 'the thread died' }[why];
    const what = project === undefined ? 'a project list' : `the page of ${project}`;
    this.#options.log.warn(`a page thread was ended while it read ${what}: ${cost}`, { project });
  };

  diskFailure(error: NodeJS.ErrnoException): void {
    const reason = diskReason(error);
    this.#meters.diskWriteFailures.inc({ reason });
    // The quota does what it is for; that a body could not be stored beside those under way is no trouble of the disk.
    if (reason !== 'quota') this.#tell('disk-full', `the data folder takes no bytes: ${error.code ?? error.message}`);
  }

  /** The disk did not give a stored body, which is kept. */
  diskReadFailure(error: NodeJS.ErrnoException): void {
    this.#meters.diskReadFailures.inc({ reason: readFailureReason(error) });
    const what = error.code ?? error.message;
    const cure = 'if this does not pass, look after the disk, or purge the project';
    this.#tell('disk-unreadable', `a stored body cannot be read (${what}); it is kept, and upstream is asked; ${cure}`);
  }

  received(resource: Resource, bytes: number): void {
    this.#meters.upstreamReceivedBytes.inc({ kind: resource.profile.name }, bytes);
  }

  damagedBody(what: 'blob' | 'body', name: string): void {
    this.#meters.integrityFailures.inc({ kind: 'damaged-blob' });
    this.#meters.evictions.inc({ reason: 'damaged' });
    this.#tell('integrity', `a stored ${what} was damaged and has been removed: ${name}`);
  }

  evicted(reason: 'quota' | 'free-space' | 'purge' | 'removed', bytes: number): void {
    const forRoom = reason === 'quota' || reason === 'free-space';
    if (forRoom) this.#evicted = { count: this.#evicted.count + 1, bytes: this.#evicted.bytes + bytes };
    this.#meters.evictions.inc({ reason });
    this.#meters.evictedBytes.inc({}, bytes);
  }

  diskPaused(paused: boolean): void {
    if (paused) this.#tell('disk-full', 'the data folder takes no bytes: nothing is stored for a while');
    else this.#tell('disk-recovered', 'the data folder takes bytes again');
  }

  changedFile(project: string, filename: string, accepted: boolean): void {
    this.#meters.integrityFailures.inc({ kind: 'changed-digest' });
    const rule = accepted ? 'accepted' : 'refused';
    this.#tell('changed-digest', `upstream gives another hash for a name it has used before; ${rule}: ${filename}`, {
      project,
    });
  }

  /** `pulled` names the one of them that is refused from now on; undefined when all are old enough to be served. */
  departedFiles(index: string, project: string, count: number, pulled: string | undefined): void {
    const files = count === 1 ? 'one file' : `${count} files`;
    const verdict = pulled === undefined ? 'what is here of them is still served' : `refused as pulled: ${pulled}`;
    this.#tell('removed', `${index} no longer lists ${files} of ${project}; ${verdict}`, { project });
  }

  /** A file was asked for that the policy keeps out. */
  refused(rule: RefusalRule, mode: Policy['mode']): void {
    this.#meters.policyRefusals.inc({ rule, mode });
  }

  policyReloaded(file: string, failure: Error | undefined): void {
    this.#meters.policyReloads.inc({ result: failure === undefined ? 'taken' : 'rejected' });
    const message =
      failure === undefined
        ? 'policy reloaded'
        : `policy not reloaded, the last good one stays in force; mend ${file}: ${failure.message}`;
    this.#tell('policy', message);
  }

  quarantined(index: string, project: string, reason: string | undefined): void {
    const why = reason === undefined ? '' : ` (${reason})`;
    this.#tell('quarantined', `${index} has quarantined ${project}${why}; its files are refused`, { project });
  }

  wrongPart(wheel: string): void {
    this.#meters.integrityFailures.inc({ kind: 'wrong-metadata' });
    this.#tell('integrity', `core metadata read by ranges was not that of the wheel: ${wheel.split('?')[0]}`);
  }

  collapsed(resource: Resource): void {
    this.#meters.collapsedRequests.inc({ kind: resource.profile.name });
  }

  stale(kind: 'page' | 'list' | 'json' | 'raw', answer: Answer): void {
    this.#meters.staleAnswers.inc({ kind, reason: answer.stale!.reason });
    const { ageSeconds } = answer;
    if (ageSeconds >= this.oldestStaleSeconds) this.#oldestStale = { ageSeconds, servedAt: this.#options.now() };
  }

  pageRemarks(index: string, project: string, { count, unserved, told }: PageRemarks): void {
    const rest = count - unserved;
    const corrected = `${rest} other ${rest === 1 ? 'entry' : 'entries'} corrected or left out`;
    if (unserved === 0) {
      this.#options.log.info(`index page sanitized: ${corrected} (${project})`, { index, project, remarks: count });
      return;
    }
    const dropped = `${unserved} ${unserved === 1 ? 'file' : 'files'} dropped`;
    const message = `index page sanitized: ${dropped}${rest === 0 ? '' : `, ${corrected}`} (${project})`;
    this.#options.log.warn(message, { index, project, remarks: count, files: told.join('; ') });
  }

  pageRequest({ mirror, result, latencyMs }: MirrorResult, kind: 'page' | 'list' | 'json' = 'page'): void {
    const upstream = new URL(mirror).host;
    this.#meters.upstreamRequests.inc({ upstream, kind, result });
    this.#meters.upstreamLatency.observe({ upstream }, latencyMs / 1000);
  }

  fileRequest(kind: 'file' | 'metadata', result: 'ok' | 'not-modified' | 'missing' | FailureKind): void {
    this.#meters.upstreamRequests.inc({ upstream: 'files', kind, result });
  }

  rawRequest(mount: string, result: 'ok' | 'not-modified' | 'missing' | FailureKind): void {
    this.#meters.upstreamRequests.inc({ upstream: mount, kind: 'raw', result });
  }

  /** `documents` names the kind of documents that is concerned, where it is not the pages. */
  mirrorEvent(event: MirrorEvent, documents?: string): void {
    const upstream = new URL(event.mirror).host;
    const named = documents === undefined ? upstream : `${upstream} (${documents})`;
    if (event.kind === 'set-aside') {
      this.#meters.mirrorRefusals.inc({ upstream, reason: event.refusal! });
      this.#tell('mirror-set-aside', `${named} is asked last for a while: ${REFUSED[event.refusal!]}`, { upstream });
    } else if (event.kind === 'closed') this.#tell('upstream-up', `${named} answers again`, { upstream });
    else {
      const why = event.kind === 'paused' ? 'asked us to wait' : `failed (${event.reason ?? 'unknown'})`;
      this.#tell('upstream-down', `${named} ${why}; stored copies are served`, { upstream });
    }
  }

  /** Sets what only a scrape wants to know: the upstreams as they are now, and how many fetches are under way. */
  scrape(mirrors: readonly MirrorStatus[], fetches: number): void {
    for (const { url, state, lastSuccess, lastFailure, latencyMs, leads } of mirrors) {
      const upstream = new URL(url).host;
      const sound = lastFailure === undefined || lastFailure.time < (lastSuccess ?? Number.NEGATIVE_INFINITY);
      this.#meters.upstreamHealthy.set({ upstream }, sound ? 1 : 0);
      this.#meters.upstreamBreakerState.set({ upstream }, BREAKER_VALUES[state]);
      this.#meters.upstreamLeads.set({ upstream }, leads ? 1 : 0);
      if (latencyMs !== undefined) this.#meters.upstreamAverageLatency.set({ upstream }, latencyMs / 1000);
    }
    this.#meters.activeFlights.set({}, fetches);
    this.#meters.oldestStaleAge.set({}, this.oldestStaleSeconds);
  }

  storeEvent(event: StoreEvent): void {
    if (event.startsWith('redis-')) this.#meters.redisCalls.inc({ result: event.slice(6) as RedisResultLabel });
    else this.#meters.entryStoreFaults.inc({ fault: event.slice(5) as never });
    if (event === 'redis-tampered') this.#meters.integrityFailures.inc({ kind: 'wrong-mac' });
  }

  redisState(state: RedisState, reason: string): void {
    this.#tell(
      state === 'up' ? 'redis-up' : 'redis-down',
      state === 'up' ? 'redis answers' : `redis is away: ${reason}`,
    );
  }

  redisDenied(commands: readonly string[], cure: string): void {
    this.#options.log.warn(`redis does not let its user run ${commands.join(', ')}; grant it: ${cure}`, {
      event: 'redis-denied',
    });
  }

  entriesDamaged(): void {
    this.#meters.integrityFailures.inc({ kind: 'damaged-entry' });
    this.#tell(
      'integrity',
      'the entry database was damaged and set aside; entries are read back from the stored pages',
    );
  }

  unexpected(error: unknown): void {
    this.#meters.unhandledErrors.inc({});
    this.#options.log.error('unexpected', { error: error instanceof Error ? error : String(error) });
  }

  /** Blobs that left to make room since the start. */
  get evictions(): { readonly count: number; readonly bytes: number } {
    return this.#evicted;
  }

  /** The age of the oldest copy that was served stale in the last minute; 0 when none was. */
  get oldestStaleSeconds(): number {
    const { ageSeconds, servedAt } = this.#oldestStale;
    return this.#options.now() - servedAt < RECENT_MS ? ageSeconds : 0;
  }

  get #meters() {
    return this.#options.metrics.meters;
  }

  #tell(kind: EventKind, message: string, about: { readonly upstream?: string; readonly project?: string } = {}): void {
    const now = this.#options.now();
    const key = `${kind} ${message}`;
    if (now - (this.#lastTold.get(key) ?? Number.NEGATIVE_INFINITY) < REPEAT_MS) return;
    if (this.#lastTold.size > 1_000) this.#lastTold.clear();
    this.#lastTold.set(key, now);
    this.#options.events.record({ kind, message, at: now, ...about });
    const fields: LogFields = { event: kind, ...about };
    if (kind.endsWith('-up')) this.#options.log.info(message, fields);
    else this.#options.log.warn(message, fields);
  }
}

type DiskReason = 'quota' | 'full' | 'read-only' | 'descriptors' | 'io';

const DISK_REASONS: Readonly<Record<string, DiskReason>> = {
  QUOTA: 'quota',
  ENOSPC: 'full',
  EDQUOT: 'full',
  EFBIG: 'full',
  EROFS: 'read-only',
  EACCES: 'read-only',
  EPERM: 'read-only',
  EMFILE: 'descriptors',
  ENFILE: 'descriptors',
};

/** Others than those of a descriptor or a permission are the disk's. */
function readFailureReason(error: NodeJS.ErrnoException): 'descriptors' | 'permission' | 'short-read' | 'io' {
  switch (error.code) {
    case 'EMFILE':
    case 'ENFILE':
      return 'descriptors';
    case 'EACCES':
    case 'EPERM':
      return 'permission';
    case 'SHORT_READ':
      return 'short-read';
    default:
      return 'io';
  }
}

function diskReason(error: NodeJS.ErrnoException): DiskReason {
  return DISK_REASONS[error.code ?? ''] ?? 'io';
}
