// Preload for tests (`node --import ./test/support/network-guard.ts --test`): nothing but loopback is ever contacted.
// A test that tries fails, even when the code under test swallows the error: the process ends with a failure and says
// what was tried. The check sits where Node is about to connect, after names were resolved, so it covers every client.

import dns from 'node:dns';
import { syncBuiltinESMExports } from 'node:module';
import { isIP, Socket } from 'node:net';

const LOOPBACK = /^(127\.|::1$|::ffff:127\.)/;

const attempts: string[] = [];

function refuse(attempt: string): void {
  attempts.push(`${attempt}\n${new Error().stack?.split('\n').slice(3).join('\n')}`);
}

// Node asks this property of every socket before it connects (net.BlockList, option `blockList`); on the prototype it
// holds for all of them. A refused connection fails with ERR_IP_BLOCKED.
Object.defineProperty(Socket.prototype, 'blockList', {
  configurable: true,
  writable: true,
  value: {
    check: (address: string): boolean => {
      if (LOOPBACK.test(address)) return false;
      refuse(`connect to ${address}`);
      return true;
    },
  },
});

function isLocalName(name: string): boolean {
  return name === '' || name === 'localhost' || name.endsWith('.localhost') || isIP(name) !== 0;
}

const { lookup } = dns;
dns.lookup = Object.assign(
  (name: string, ...rest: unknown[]) => {
    if (isLocalName(name)) return Reflect.apply(lookup, dns, [name, ...rest]);
    refuse(`look up ${name}`);
    const callback = rest.at(-1) as (error: Error) => void;
    process.nextTick(callback, Object.assign(new Error(`the network guard refuses ${name}`), { code: 'ENOTFOUND' }));
    return undefined;
  },
  { __promisify__: lookup.__promisify__ },
) as typeof dns.lookup;

const promised = dns.promises.lookup;
dns.promises.lookup = (async (name: string, ...rest: unknown[]) => {
  if (isLocalName(name)) return Reflect.apply(promised, dns.promises, [name, ...rest]);
  refuse(`look up ${name}`);
  throw Object.assign(new Error(`the network guard refuses ${name}`), { code: 'ENOTFOUND' });
}) as typeof dns.promises.lookup;

syncBuiltinESMExports();

process.on('exit', () => {
  if (attempts.length === 0) return;
  process.exitCode = 1;
  console.error(`tests may contact loopback only, but this process tried to:\n${attempts.join('\n')}`);
});
