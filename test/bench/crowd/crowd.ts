// The bench's handle on a crowd of downloading clients.

import { ask } from '../child-calls.ts';
import type { Stage } from '../stage.ts';
import type { CrowdResult, Download } from './crowd-clients.ts';

export interface Crowd {
  /** All clients begin at once; resolves when the last one has its last byte. */
  download(download: Download): Promise<CrowdResult>;
}

export function startCrowd(stage: Stage): Crowd {
  const child = stage.fork(new URL('./crowd-clients.ts', import.meta.url));
  return { download: (download) => ask<CrowdResult>(child, download) };
}
