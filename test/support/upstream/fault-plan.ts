// Which request meets which fault: rules by path, method and address that a test sets and lifts while servers run.

import type { Exchange } from './fake-server.ts';
import { matchesPath, type PathPattern } from './request-log.ts';

/** Answers one request badly, in whatever way; the catalogue stands in faults.ts. */
export type Fault = (exchange: Exchange) => void | Promise<void>;

export interface FaultScope {
  /** Meets the next `times` requests only; for ever unless given. */
  readonly times?: number;
  readonly method?: string;
  /** Only requests that arrive at this one of the server's addresses. */
  readonly address?: string;
}

export class FaultPlan {
  #rules: { readonly pattern: PathPattern; readonly fault: Fault; readonly scope: FaultScope; left: number }[] = [];

  /** Adds a rule; among several that fit, the newest counts. Returns what lifts it again. */
  set(pattern: PathPattern, fault: Fault, scope: FaultScope = {}): () => void {
    const rule = { pattern, fault, scope, left: scope.times ?? Infinity };
    this.#rules.unshift(rule);
    return () => {
      rule.left = 0;
    };
  }

  clear(): void {
    this.#rules = [];
  }

  /** The fault for this request, counted as met; undefined when it is to be answered well. */
  take(method: string, target: string, address: string): Fault | undefined {
    const rule = this.#rules.find(({ pattern, scope, left }) => {
      if (left === 0 || (scope.method ?? method) !== method || (scope.address ?? address) !== address) return false;
      return matchesPath(pattern, target);
    });
    if (rule === undefined) return undefined;
    rule.left -= 1;
    return rule.fault;
  }
}
