// The version of this package, read from package.json, which lies one folder above src/ and lib/ alike.

import { readFileSync } from 'node:fs';

export function packageVersion(): string {
  return JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version;
}
