// What is asked of other origins than indexes, or without understanding it: raw mounts, and what is passed through.

import type { ReadThrough } from '../cache/read-through.ts';
import { Passthrough } from '../http/passthrough.ts';
import { RawHandler } from '../http/raw-handler.ts';
import type { IdentityFor } from '../net/open-socket.ts';
import { OriginRights } from '../net/origin-rights.ts';
import { PassthroughAgents } from '../net/passthrough-agents.ts';
import type { UpstreamClient } from '../net/upstream-client.ts';
import { rawServices } from '../raw/raw-service.ts';
import type { Basics } from './context.ts';
import type { CurrentSecrets } from './current-secrets.ts';

/** Largest request body that is passed through. */
const MAX_UPLOAD_BYTES = 2 * 1024 * 1024 * 1024;

/** Raw mounts, and what is passed through without being understood. */
export interface Forwarding {
  readonly passthrough: Passthrough;
  readonly raw: RawHandler;
  /** Ends the idle connections. */
  close(): void;
}

/** Exchanges that one client may have with one origin, while nobody else wants any (passthrough-places.ts). */
const EXCHANGES_PER_ORIGIN = 32;
/** With those that are kept back for others. */
const CONNECTIONS_PER_ORIGIN = 40;

/** Builds both. */
export function openForwarding(
  { config, via, telemetry }: Basics,
  readThrough: ReadThrough,
  client: UpstreamClient,
  secrets: CurrentSecrets,
  identityFor: IdentityFor,
): Forwarding {
  const agents = new PassthroughAgents({
    proxy: config.proxy,
    extraCertificates: secrets.certificates,
    identityFor,
    connectTimeoutMs: 3_000,
    maxSockets: CONNECTIONS_PER_ORIGIN,
  });
  const passthrough = new Passthrough({
    maxBodyBytes: MAX_UPLOAD_BYTES,
    connectTimeoutMs: 3_000,
    idleTimeoutMs: 60_000,
    exchangesPerOrigin: EXCHANGES_PER_ORIGIN,
    wayTo: agents.wayTo,
    via: `1.1 ${via}`,
  });
  const rights = new Map(
    config.raw.map((mount) => {
      const place = { url: mount.origin, credentials: secrets.of({ ...mount, url: mount.origin }) };
      return [mount.name, new OriginRights([place])];
    }),
  );
  const mounts = rawServices(config.raw, {
    readThrough,
    client,
    rightsOf: (name) => rights.get(name)!,
    finishAbandonedBytes: config.finishAbandonedBytes,
    onAnswer: (mount, result) => telemetry.rawRequest(mount, result),
  });
  const raw = new RawHandler({
    mounts: new Map(
      config.raw.map(({ name, overrideCacheControl }) => [
        name,
        {
          service: mounts.get(name)!,
          authorization: (url) => rights.get(name)!.authorizationFor(new URL(url)),
          overridden: overrideCacheControl !== undefined,
        },
      ]),
    ),
    passthrough,
    onStale: (answer) => telemetry.stale('raw', answer),
  });
  return { passthrough, raw, close: () => agents.close() };
}
