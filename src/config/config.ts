// The whole configuration after it was read and checked: one value, frozen, sliced in app.ts.
// Sizes are bytes and times milliseconds; the names users type and the units they may use stand in options.ts.

import type { TlsFiles, TlsIdentity } from '../access/tls-identity.ts';
import type { Policy } from '../policy/policy.ts';

/** How we prove who we are to one upstream; bound to that upstream's origin. */
export type Credentials =
  | { readonly kind: 'basic'; readonly user: string; readonly password: string }
  | { readonly kind: 'bearer'; readonly token: string };

/** The file that credentials were read from, absolute; it may change while we run. */
export interface CredentialsFile {
  readonly kind: 'basic_file' | 'bearer_file' | 'netrc';
  readonly path: string;
}

/** One upstream (or one of several equivalent mirrors) of an index. */
export interface UpstreamConfig {
  /** The base of its simple API, with the final slash and without user information. */
  readonly url: string;
  /** Those of the start. */
  readonly credentials?: Credentials;
  /** Where they were found, if that is a file. */
  readonly credentialsFile?: CredentialsFile;
  /** What proves us to it where it wants a client certificate; the files may change. */
  readonly clientCertificate?: TlsFiles;
  /** Where its files lie, with the final slash: clients know them at the place of the first upstream's. */
  readonly filesBase?: string;
}

/** One index: an upstream or several equivalent mirrors of it. */
export interface IndexConfig {
  readonly name: string;
  readonly upstreams: readonly UpstreamConfig[];
  /** Statuses that mean "not here" at this index, beside 404 and 410. */
  readonly missingStatuses: readonly number[];
  /** Further hosts to which its pages may redirect. */
  readonly pageOrigins: readonly string[];
  /** What to ask it for: by negotiation, or one format only because it ignores q values. */
  readonly accept: 'any' | 'json' | 'html';
  /** Which mirror is asked first: the first one configured, or the one whose answers begin soonest. */
  readonly order?: 'configured' | 'latency';
  /** What becomes of a file whose hash changes under its name; refused unless given. */
  readonly changedFiles?: 'refuse' | 'accept';
  /** Cut core metadata out of its wheels where its pages offer none. */
  readonly extractMetadata?: boolean;
  /** Where it takes uploads; `/legacy/` at the origin of its first upstream unless given. */
  readonly uploadUrl?: string;
  /** Pass on ranges of its files that are not here, unverified, instead of fetching the file first. */
  readonly passRanges?: boolean;
  /** A redirect of a page to another origin means "not here". */
  readonly missingRedirects?: boolean;
}

/** A name pattern (`*` matches any run) that is only ever asked at one index. */
export interface RouteConfig {
  readonly names: readonly string[];
  readonly index: string;
}

/** A mount that forwards one origin unchanged and caches by RFC 9111 alone. */
export interface RawMountConfig {
  readonly name: string;
  /** Base URL with the final slash. */
  readonly origin: string;
  /** A second listener, `host:port`, that serves this mount at its root. */
  readonly listen?: ListenAddress;
  readonly staleIfErrorMs?: number;
  /** The operator speaks for the origin: replaces the received Cache-Control of 200 answers. */
  readonly overrideCacheControl?: string;
  /** Origins to which its redirects are followed here, so that what lies behind them is kept as well. */
  readonly redirectOrigins: readonly string[];
  readonly maxBodyBytes: number;
  readonly credentials?: Credentials;
  readonly credentialsFile?: CredentialsFile;
}

/** The supply-chain policies of the indexes that have one. */
export interface PolicyConfig {
  /** Where it stands; read again when it changes. */
  readonly file: string;
  readonly byIndex: ReadonlyMap<string, Policy>;
}

/** An address to listen on. */
export interface ListenAddress {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
}

/** The configuration as the program uses it: units are in the names, paths are absolute. */
export interface Config extends ListenAddress {
  /** Below which everything of the first address lies; without the final slash. */
  readonly basePath?: string;
  /** Those who may use the server, as `content` of the file at the start; the file may change. */
  readonly clients?: { readonly file: string; readonly content: string; readonly count: number };
  /** Addresses and networks of proxies that are believed when they say who a client is. */
  readonly trustedProxies: readonly string[];
  /** Every listener then speaks TLS and nothing else. The identity is that of the start; the files may change. */
  readonly tls?: TlsFiles & { readonly identity: TlsIdentity; readonly minVersion: 'TLSv1.2' | 'TLSv1.3' };
  /** The address of the status page, the administration, the metrics and health; without it they are at the first. */
  readonly adminListen?: ListenAddress;
  readonly dataDir: string;
  readonly indexes: readonly IndexConfig[];
  /** The order in which the root `/simple/` asks them. */
  readonly defaultIndexes: readonly string[];
  readonly routes: readonly RouteConfig[];
  readonly raw: readonly RawMountConfig[];
  /** Origins (`http://host:port`) from which files may come although they are private or plain http. */
  readonly fileOrigins: readonly string[];
  /** Where the upstream's address was found, for the first lines of the log. */
  readonly upstreamFoundIn: string;
  readonly redis?: { readonly url: string; readonly secret: string | undefined };
  readonly pageFreshMs: number;
  readonly patienceMs: number;
  readonly negativeFreshMs: number;
  /** Infinity when unlimited. */
  readonly staleIfErrorMs: number;
  readonly diskQuotaBytes: number;
  readonly freeSpaceFloorBytes: number;
  readonly memoryBytes: number;
  readonly maxPageBytes: number;
  readonly maxFileBytes: number;
  readonly holdBackBytes: number;
  /** Infinity when unlimited. */
  readonly finishAbandonedBytes: number;
  readonly workers: number;
  readonly drainMs: number;
  readonly graceMs: number;
  /** Names that `Host` may have, in lower case; none: every name may. */
  readonly allowedHosts: readonly string[];
  /** Without allowed_hosts: what listeners on loopback are called beside localhost; undefined for any name. */
  readonly loopbackNames?: readonly string[];
  /** Which releases are kept out; none without it. */
  readonly policy?: PolicyConfig;
  /** Where orders of the administration are written down. */
  readonly auditLog?: string;
  /** 406 in the place of HTML for who accepts no format of an index page. */
  readonly strictAccept: boolean;
  readonly uploads: boolean;
  readonly xmlRpc: boolean;
  readonly publicUrl?: string;
  /** The links of JSON pages begin with `publicUrl`. */
  readonly absoluteLinks: boolean;
  /** Origins of pages in browsers that may read what installers read; `*` is every one, none is nobody. */
  readonly browserOrigins: readonly string[];
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
  readonly logFormat: 'json' | 'text';
  /** Proxies for our own upstream connections, as the environment names them. */
  readonly proxy: { readonly http?: string; readonly https?: string; readonly noProxy: string };
  /** PEM text of additional certificate authorities, as the files held it at the start. */
  readonly extraCertificates: readonly string[];
  /** The files that they were read from; they may change. */
  readonly certificateFiles?: readonly string[];
  /** The netrc file of the user, whether it is there or not: upstreams without credentials take theirs from it. */
  readonly netrcFile?: string;
}
