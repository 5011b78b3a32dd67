// What every case is given.

import type { Report } from './report.ts';
import type { Stage } from './stage.ts';
import type { Upstream } from './upstream/upstream.ts';

export interface Bench {
  readonly stage: Stage;
  readonly upstream: Upstream;
  readonly report: Report;
  readonly rounds: number;
  /** Of load for each contender in each round. */
  readonly seconds: number;
  /** Where Wheelkeep leaves its CPU profiles; undefined for none. */
  readonly profileFolder: string | undefined;
  /** Says what is being done. */
  say(line: string): void;
  /** Says how far it is. */
  step(done: number, of: number): void;
}

/** As pip asks for a page. */
export const PAGE_FIELDS = {
  accept: 'application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01',
  'accept-encoding': 'gzip, deflate',
  'user-agent': 'pip/26.0',
};

/** As pip asks for a file. */
export const FILE_FIELDS = { 'accept-encoding': 'identity', 'user-agent': 'pip/26.0' };

export const MEGABYTE = 1_000_000;
