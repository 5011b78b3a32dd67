// The first lines at start: what is listened on, whom we ask and how we know, where data lies, and what to type next.

import { withoutSecrets } from './addresses.ts';
import type { Config, RawMountConfig } from './config.ts';
import { OPTIONS } from './options.ts';
import { untrustedHost } from './own-addresses.ts';

/** What is known once the server listens. */
export interface StartFacts {
  /** Where a client on this machine reaches the listener, `http://127.0.0.1:5030/`; with `port: 0` only the listener knows. */
  readonly url: string;
  /** Where the administration is, when it has an address of its own. */
  readonly adminUrl?: string | undefined;
  readonly version: string;
}

/** The first lines that a user sees. */
export function startLines(config: Config, facts: StartFacts): string[] {
  const everywhere =
    config.host === '0.0.0.0' || config.host === '::' ? ' and every other address of this machine' : '';
  const lines = [`Wheelkeep ${facts.version} listens on ${facts.url}${everywhere}`];
  if (facts.adminUrl !== undefined) lines.push(`status page, administration, metrics, health: ${facts.adminUrl}`);
  if (config.indexes.length === 1) {
    const urls = config.indexes[0]!.upstreams.map((upstream) => upstream.url).join(', ');
    lines.push(`upstream: ${urls} (from ${config.upstreamFoundIn})`);
  } else {
    for (const { name, upstreams } of config.indexes) {
      lines.push(`index ${name}: ${upstreams.map((upstream) => upstream.url).join(', ')}`);
    }
    lines.push(`order of /simple/: ${config.defaultIndexes.join(', ')} (from ${config.upstreamFoundIn})`);
  }
  for (const mount of config.raw) lines.push(rawLine(mount));
  lines.push(`data: ${config.dataDir}, at most ${OPTIONS.diskQuota.unit.format(config.diskQuotaBytes)}`);
  if (config.clients) lines.push(`clients: ${config.clients.count} of ${config.clients.file}; nobody else is served`);
  if (config.redis) lines.push(`redis: ${withoutSecrets(config.redis.url)}, ${protectionOf(config.redis)}`);
  const proxy = config.proxy.https ?? config.proxy.http;
  if (proxy) {
    lines.push(
      `proxy: ${withoutSecrets(proxy)}; it resolves names, so private addresses are refused only where they are written out`,
    );
  }
  const address = config.publicUrl ?? facts.url;
  const reached = config.clients ? address.replace('://', '://NAME:PASSWORD@') : address;
  lines.push(`try: pip install ${pipArguments(reached).join(' ')} requests`);
  return lines;
}

/** An override is worth a word at every start: the operator answers for what the origin did not allow. */
function rawLine({ name, origin, listen, overrideCacheControl }: RawMountConfig): string {
  const root = listen === undefined ? '' : `, also at the root of ${listen.host}:${listen.port}`;
  const override =
    overrideCacheControl === undefined ? '' : `; its Cache-Control is replaced by ${overrideCacheControl}`;
  return `raw mount /raw/${name}/: ${origin}${root}${override}`;
}

/** What the MAC of every record in Redis is worth, by where its secret comes from. */
function protectionOf(redis: NonNullable<Config['redis']>): string {
  if (redis.secret !== undefined) return 'records authenticated by redis.secret';
  if (new URL(redis.url).password) return "records authenticated by the connection's password";
  return 'records guarded against damage but not against an attacker; set redis.secret for that';
}

function pipArguments(url: string): string[] {
  const host = untrustedHost(url);
  return ['--index-url', `${url}simple/`, ...(host ? ['--trusted-host', host] : [])];
}
