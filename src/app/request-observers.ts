// What is noted of requests: metrics, access lines, and what the status page tells of the last minutes, hours and days.

import { ClientAddress } from '../access/client-address.ts';
import { Ledger } from '../http/ledger.ts';
import { createAccessLog } from '../observe/access-log.ts';
import { Busiest } from '../observe/busiest.ts';
import type { LogSink } from '../observe/log-sink.ts';
import { RecentlyStale } from '../observe/recently-stale.ts';
import { ServedDays } from '../observe/served-days.ts';
import { Traffic } from '../observe/traffic.ts';
import type { Basics } from './context.ts';

export interface Notes {
  /** Takes every request that has ended, and tells all the others. */
  readonly ledger: Ledger;
  readonly addresses: ClientAddress;
  readonly served: ServedDays;
  readonly traffic: Traffic;
  readonly recentlyStale: RecentlyStale;
  readonly busiest: Busiest;
}

/** Without a `sink` there are no access lines. */
export function openNotes({ config, now, metrics }: Basics, sink: LogSink | undefined): Notes {
  const served = new ServedDays();
  const traffic = new Traffic();
  const recentlyStale = new RecentlyStale();
  const busiest = new Busiest();
  const access =
    sink === undefined ? undefined : createAccessLog({ level: config.logLevel, format: config.logFormat, sink });
  const addresses = new ClientAddress(config.trustedProxies);
  const ledger = new Ledger({
    metrics,
    now,
    addresses,
    access: (record) => {
      served.note(record);
      traffic.note(record);
      recentlyStale.note(record);
      busiest.note(record);
      access?.(record);
    },
  });
  return { ledger, addresses, served, traffic, recentlyStale, busiest };
}
