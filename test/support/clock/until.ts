// Waits for what no event tells.

import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until `condition` holds, for a counter or a state; fails loudly after `limitMs`, saying `what`. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what = String(condition),
  limitMs = 8000,
): Promise<void> {
  const end = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited ${limitMs} ms in vain until ${what}`);
    await sleep(5);
  }
}
