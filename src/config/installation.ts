// What this installation is: its version, and the folder of its checkout.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Read from package.json, which lies one folder above src/ and lib/ alike. */
export function packageVersion(): string {
  return JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version;
}

/** The folder of the checkout that runs; undefined for the packed package, which runs emitted JavaScript. */
export function checkoutFolder(): string | undefined {
  return import.meta.url.endsWith('.ts') ? fileURLToPath(new URL('../..', import.meta.url)) : undefined;
}
