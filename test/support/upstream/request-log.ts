// What a fake server was asked, in order, and the means to wait for it without sleeping.

import type { Fields } from '../../../src/core/http-message.ts';

export interface LoggedRequest {
  readonly method: string;
  /** The request target as it arrived, query included. */
  readonly path: string;
  readonly fields: Fields;
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** Our address that was asked, for servers that listen on several. */
  readonly address: string;
  /** Counts connections from 1: two requests with one number shared a connection. */
  readonly connection: number;
}

/** A path given as text matches exactly, without its query; an expression is tried on the whole target. */
export type PathPattern = string | RegExp;

export function matchesPath(pattern: PathPattern, target: string): boolean {
  return typeof pattern === 'string' ? target.split('?')[0] === pattern : pattern.test(target);
}

export class RequestLog {
  readonly entries: LoggedRequest[] = [];
  readonly #watchers = new Set<() => void>();

  add(entry: LoggedRequest): void {
    this.entries.push(entry);
    this.changed();
  }

  /** How many requests came for `pattern`, or at all. */
  count(pattern: PathPattern = /^/): number {
    return this.entries.filter((entry) => matchesPath(pattern, entry.path)).length;
  }

  clear(): void {
    this.entries.length = 0;
  }

  /** Lets everyone who waits look again: after a request, an answer, or a connection that came or went. */
  changed(): void {
    for (const watcher of this.#watchers) watcher();
  }

  /**
   * Resolves as soon as `condition` holds; rejects after `timeoutMs` with what was asked until then, because a wait
   * that fails should say what happened instead.
   */
  async waitFor(condition: () => boolean, timeoutMs = 5000): Promise<void> {
    if (condition()) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      const asked = this.entries.map(({ method, path }) => `  ${method} ${path}`).join('\n');
      reject(
        new Error(`the condition did not hold within ${timeoutMs} ms; asked until then:\n${asked || '  nothing'}`),
      );
    }, timeoutMs);
    const watcher = (): void => {
      if (condition()) resolve();
    };
    this.#watchers.add(watcher);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#watchers.delete(watcher);
    }
  }
}
