// What the primary process and its workers say to one another (node:cluster, structured clone).

import type { PurgePart } from '../admin/cache-keys.ts';
import type { Config } from '../config/config.ts';
import type { MetricsSnapshot } from '../observe/metrics.ts';
import type { StatusFacts } from '../status-page/facts.ts';

/** A start that failed, with what start-failure.ts looks at; an Error would lose these on the way. */
export interface StartError {
  readonly message: string;
  readonly stack: string | undefined;
  readonly code: string | undefined;
  readonly syscall: string | undefined;
  readonly path: string | undefined;
  readonly port: number | undefined;
}

/** What a worker counted and knows. */
export interface WorkerSnapshot {
  readonly metrics: MetricsSnapshot;
  readonly facts: StatusFacts;
}

/** What a worker tells the primary. */
export type ToPrimary =
  /** Its code is loaded: it waits for its configuration. */
  | { readonly kind: 'loaded' }
  | { readonly kind: 'ready'; readonly url: string; readonly adminUrl: string | undefined }
  | { readonly kind: 'failed'; readonly error: StartError }
  /** `id` names the request, within its worker. */
  | { readonly kind: 'lease'; readonly id: number; readonly key: string }
  | { readonly kind: 'release'; readonly id: number; readonly key: string }
  /** Asks for the snapshots of all. */
  | { readonly kind: 'collect'; readonly id: number }
  | { readonly kind: 'snapshot'; readonly round: number; readonly snapshot: WorkerSnapshot }
  /** Something is purged: the others have their part in it. */
  | { readonly kind: 'purged'; readonly id: number; readonly part: PurgePart }
  | { readonly kind: 'forgotten'; readonly round: number };

/** What the primary tells a worker. */
export type ToWorker =
  | { readonly kind: 'start'; readonly config: Config; readonly version: string; readonly node: string }
  | { readonly kind: 'stop'; readonly how: 'drain' | 'finish' | 'now' }
  /** `held` comes at once and is followed by `over` when the holder is done. */
  | { readonly kind: 'lease'; readonly id: number; readonly state: 'granted' | 'held' | 'over' }
  | { readonly kind: 'snapshot'; readonly round: number }
  | { readonly kind: 'collected'; readonly id: number; readonly snapshots: readonly WorkerSnapshot[] }
  | { readonly kind: 'forget'; readonly round: number; readonly part: PurgePart }
  /** The others have forgotten what was purged. */
  | { readonly kind: 'forgotten'; readonly id: number };
