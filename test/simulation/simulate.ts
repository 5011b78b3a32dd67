// `npm run simulate`: the availability figure, outage by outage. Ends with 1 when something that had been seen before was
// not answered right, or something cold failed unclearly.

import { seedOf } from '../fuzz/random.ts';
import { OUTAGES } from './outages.ts';
import { type OutageTally, simulate, type Tally } from './simulation.ts';

/** 47 hours of outages in two minutes. */
const FACTOR = 1_500;

const line = (when: string, what: string, minutes: string, { upstream, through, cold, coldUpstream }: OutageTally) =>
  [
    when.padEnd(11),
    what.padEnd(46),
    minutes.padStart(6),
    figures(upstream),
    figures(through),
    percent(coldUpstream).padStart(8),
    figures(cold),
  ].join(' ');

function figures(tally: Tally): string {
  return `${percent(tally).padStart(8)} ${tally.p99.toFixed(0).padStart(6)} ms`;
}

function percent({ share }: Tally): string {
  return `${(Math.floor(share * 10_000) / 100).toFixed(2)} %`;
}

const seed = seedOf(1);
console.log(
  `seed ${seed}; time passes ${FACTOR} times as fast, the timers of requests do not; p99 in real milliseconds`,
);
console.log(`${' '.repeat(65)} upstream alone     through Wheelkeep  cold: alone  right or clear`);
const all = await simulate({
  outages: OUTAGES,
  factor: FACTOR,
  seed,
  onOutage: (outage, tally) => console.log(line(outage.when, outage.what, String(outage.minutes), tally)),
});
console.log(line('all', '', String(OUTAGES.reduce((sum, { minutes }) => sum + minutes, 0)), all));
const wrong = [...all.through.wrong, ...all.cold.wrong];
for (const text of wrong.slice(0, 20)) console.log(`wrong: ${text}`);
process.exitCode = wrong.length === 0 ? 0 : 1;
