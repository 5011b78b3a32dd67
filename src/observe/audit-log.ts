// What operators ordered, for those who have to prove it later: one JSON object a line, appended to a file of its
// own before the order is carried out. Whatever is read or fetched is in the access log.

import { appendFileSync } from 'node:fs';
import { ProxyError } from '../core/errors.ts';

/** One order of an operator. */
export interface AuditRecord {
  readonly order: 'purge';
  /** What it is about; absent when it is everything. */
  readonly project?: string;
  /** The address from which it came, by the rules for X-Forwarded-For. */
  readonly client: string;
}

/** An order that could not be written down, and was not carried out. */
class UnwritableAudit extends ProxyError {
  override readonly status = 503;
  override readonly code = 'audit-log-unwritable';
}

/** Appends orders to a file before they are carried out. Throws UnwritableAudit. */
export class AuditLog {
  readonly #path: string;
  readonly #now: () => number;

  constructor(options: { readonly path: string; readonly now: () => number }) {
    this.#path = options.path;
    this.#now = options.now;
  }

  /** Throws when it cannot be written down. */
  note(record: AuditRecord): void {
    const line = JSON.stringify({ time: new Date(this.#now()).toISOString(), ...record });
    try {
      appendFileSync(this.#path, `${line}\n`, { mode: 0o600, flush: true });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new UnwritableAudit(`The order was not carried out: the audit log cannot be written (${code}).`);
    }
  }
}
