// A process of its own that writes entries, in one of two ways:
// `entry-writer.ts <data folder> some <number>` sets so many, reads them back and prints what happened;
// `entry-writer.ts <data folder> endless <first> <log>` writes the number of each record that is on disk into the log,
// and is meant to be killed.

import { openSync, writeSync } from 'node:fs';
import { pageRecord } from '../../contract/entry-store.contract.ts';
import { openStore } from './entry-stores.ts';

const [dataDir, way, number, log] = process.argv.slice(2);
const { store, events } = await openStore({ dataDir: dataDir! });

if (way === 'endless') {
  const acknowledged = openSync(log!, 'a');
  for (let i = Number(number); ; i++) {
    await store.set(`page/${i}`, pageRecord(i));
    writeSync(acknowledged, `${i}\n`);
  }
}

for (let i = 0; i < Number(number); i++) await store.set(`page/${i}`, pageRecord(i));
let served = 0;
for (let i = 0; i < Number(number); i++) if ((await store.get(`page/${i}`)) !== undefined) served += 1;
console.log(JSON.stringify({ events: Object.fromEntries(events), served }));
await store.close();
