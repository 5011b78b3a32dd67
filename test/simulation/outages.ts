// The outages that the public index and its CDN have had (faults.md section 2): what was wrong, for how long. Where the
// length was not published half an hour stands in.

import type { FakeIndex } from '../support/upstream/fake-index.ts';
import type { Fault } from '../support/upstream/fault-plan.ts';
import * as faults from '../support/upstream/faults.ts';

export interface Outage {
  readonly when: string;
  readonly what: string;
  readonly minutes: number;
  /** Upstream says cleanly what is not true: who holds no copy has nothing to doubt it with, and 404 is passed on. */
  readonly lies?: boolean;
  /** Begins it; resolves with what ends it. */
  readonly begin: (index: FakeIndex, random: () => number) => Promise<() => void | Promise<void>>;
}

const PAGES = /^\/simple\//;
const FILES = /^\/packages\//;
const ALL = /^/;

/** `fault` for this share of the requests, a right answer for the others. */
function faulty(pattern: RegExp, fault: Fault, share = 1): Outage['begin'] {
  return async (index, random) =>
    index.fault(pattern, (exchange) => (random() < share ? fault(exchange) : exchange.send(exchange.answer)));
}

/** One after the other, each for its share of the time. */
function inTurn(...stages: readonly (readonly [RegExp, Fault])[]): Outage['begin'] {
  return async (index) => {
    let asked = 0;
    const lifts = stages.map(([pattern, fault], i) =>
      index.fault(pattern, (exchange) => {
        asked += 1;
        return Math.floor(asked / 100) % stages.length === i ? fault(exchange) : exchange.send(exchange.answer);
      }),
    );
    return () => {
      for (const lift of lifts) lift();
    };
  };
}

const down: Outage['begin'] = async (index) => {
  await index.down();
  return () => index.up();
};

const ERROR = faults.status(503, ['content-type', 'text/html'], '<h1>503 Backend unavailable</h1>');
/** Months old: nothing that is known now, and no serial. */
const OLD_PAGE = faults.status(
  200,
  ['content-type', 'text/html'],
  '<!doctype html><a href="old-0.1.tar.gz">old-0.1.tar.gz</a>',
);

export const OUTAGES: readonly Outage[] = [
  { when: '2014-07-20', what: 'slow, then 503', minutes: 270, begin: faulty(ALL, faults.delay(1_500, ERROR), 0.7) },
  { when: '2017-04-15', what: 'workers hang', minutes: 8, begin: faulty(ALL, faults.silence()) },
  {
    when: '2018-04-16',
    what: 'redirect loops, 503, 404 for files that exist',
    lies: true,
    minutes: 105,
    begin: inTurn([PAGES, faults.redirectLoop()], [ALL, ERROR], [FILES, faults.status(404)]),
  },
  {
    when: '2019-03-16',
    what: '504 for four of five files',
    minutes: 30,
    begin: faulty(FILES, faults.status(504), 0.8),
  },
  { when: '2020-03-26', what: 'backends down', minutes: 330, begin: down },
  { when: '2020-07-14', what: '503 for files in one region', minutes: 5, begin: faulty(FILES, ERROR) },
  { when: '2020-08', what: 'wheels cut short', minutes: 30, begin: faulty(FILES, faults.truncated(300), 0.5) },
  {
    when: '2020-09',
    what: 'pages months old, without serial',
    lies: true,
    minutes: 30,
    begin: faulty(PAGES, OLD_PAGE),
  },
  {
    when: '2020-11',
    what: '404 now and then for projects that exist',
    lies: true,
    minutes: 30,
    begin: faulty(PAGES, faults.status(404), 0.05),
  },
  { when: '2021-06-08', what: 'the whole CDN 503', minutes: 49, begin: faulty(ALL, ERROR) },
  {
    when: '2021-12',
    what: '404 for files that exist',
    lies: true,
    minutes: 30,
    begin: faulty(FILES, faults.status(404), 0.5),
  },
  { when: '2022-04-05', what: 'all backends down: a certificate ran out', minutes: 71, begin: faulty(PAGES, ERROR) },
  { when: '2022-06-02', what: '403 for files', minutes: 120, begin: faulty(FILES, faults.status(403), 0.5) },
  {
    when: '2022-07-29',
    what: 'mass purge: slow, and errors',
    minutes: 210,
    begin: faulty(ALL, faults.delay(700), 0.6),
  },
  { when: '2022-10-24', what: 'backends unreachable', minutes: 53, begin: faulty(ALL, faults.hangUp('rst')) },
  { when: '2023-09-20', what: 'connections time out', minutes: 30, begin: faulty(ALL, faults.silence(), 0.5) },
  { when: '2024-03', what: 'downloads throttled', minutes: 30, begin: faulty(FILES, faults.rate(20_000)) },
  { when: '2025-03-11', what: 'corrupt bytes', minutes: 30, begin: faulty(FILES, faults.wrongByte(-30), 0.5) },
  { when: '2025-04-08', what: '503 for pages', minutes: 30, begin: faulty(PAGES, ERROR) },
  { when: '2025-05-25', what: '403 by user agent', minutes: 30, begin: faulty(ALL, faults.status(403, [], 'blocked')) },
  { when: '2026-08-15', what: 'one node 502 for all', minutes: 19 * 60, begin: faulty(ALL, faults.status(502), 0.25) },
];
