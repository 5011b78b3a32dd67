// Which HTTP proxy, if any, leads to a URL. The values of HTTP_PROXY, HTTPS_PROXY and NO_PROXY arrive as options.

import { BlockList, isIP } from 'node:net';

/** `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`. */
export interface ProxyOptions {
  /** Proxy URL for http:// and for https:// targets; the scheme may be left out (`proxy.example:3128`). */
  readonly http?: string | undefined;
  readonly https?: string | undefined;
  /** By comma or space: `*`, names (with all below them), addresses, networks (`10.0.0.0/8`), each with a port or not. */
  readonly noProxy: string;
}

/** A function from a target to its proxy; undefined means a direct connection. Throws on a malformed proxy URL. */
export function proxyChooser(options: ProxyOptions): (target: URL) => URL | undefined {
  const http = parseProxy(options.http);
  const https = parseProxy(options.https);
  const exempt = exemption(options.noProxy);
  return (target) => {
    const proxy = target.protocol === 'https:' ? https : http;
    return proxy === undefined || exempt(target) ? undefined : proxy;
  };
}

function parseProxy(text: string | undefined): URL | undefined {
  if (text === undefined || text === '') return undefined;
  const url = new URL(text.includes('://') ? text : `http://${text}`);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new TypeError(`proxy scheme ${url.protocol} is not supported: use http:// or https://`);
  }
  return url;
}

/** NO_PROXY as curl and Python read it: a name covers its subdomains, with or without a leading dot or `*.`. */
function exemption(noProxy: string): (target: URL) => boolean {
  const items = noProxy.split(/[\s,]+/).filter((item) => item !== '');
  if (items.includes('*')) return () => true;
  const networks = new BlockList();
  const names: { readonly name: string; readonly port: string | undefined }[] = [];
  for (const item of items) {
    const network = /^\[?([0-9a-fA-F.:]+)\]?\/(\d{1,3})$/.exec(item);
    if (network !== null && isIP(network[1]!) !== 0) {
      networks.addSubnet(network[1]!, Number(network[2]), isIP(network[1]!) === 4 ? 'ipv4' : 'ipv6');
      continue;
    }
    const parts = /^(?:\*?\.)?(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(bracketed(item));
    if (parts !== null) names.push({ name: bare(parts[1]!).toLowerCase(), port: parts[2] });
  }
  return (target) => {
    const host = bare(target.hostname);
    const family = isIP(host);
    if (family !== 0 && networks.check(host, family === 4 ? 'ipv4' : 'ipv6')) return true;
    const port = target.port || (target.protocol === 'https:' ? '443' : '80');
    return names.some(
      (item) =>
        (item.port === undefined || item.port === port) &&
        (host === item.name || (family === 0 && host.endsWith(`.${item.name}`))),
    );
  };
}

/** An IPv6 address without brackets has colons but no port: bracket it, so that one pattern reads every item. */
function bracketed(item: string): string {
  return isIP(item) === 6 ? `[${item}]` : item;
}

function bare(hostname: string): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
}
