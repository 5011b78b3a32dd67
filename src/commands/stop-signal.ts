// SIGTERM and SIGINT: the first asks for an orderly end, the second ends at once.

import { constants } from 'node:os';

/** Resolves with the name of the first signal. A second one ends the process with 128 + its number, as shells do. */
export function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let asked = false;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        if (asked) process.exit(128 + constants.signals[signal]);
        asked = true;
        resolve(signal);
      });
    }
  });
}
