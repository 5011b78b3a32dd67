// Builds the raw mounts of a configuration: one service each, over the one cache and the one client.

import type { ReadThrough } from '../cache/read-through.ts';
import type { OriginRights } from '../net/origin-rights.ts';
import type { Fetcher } from '../net/upstream-client.ts';
import { rawProfile } from './raw-profile.ts';
import { RawService } from './raw-service.ts';
import { type RawResult, RawSource } from './raw-source.ts';

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
