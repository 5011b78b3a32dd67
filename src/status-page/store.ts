// What is kept, how full the quota is, how much room the disk has, and whether Redis is there.

import { bytesText, countText } from '../observe/figures.ts';
import type { StatusFacts } from './facts.ts';
import { shareText } from './wording.ts';

const REDIS = {
  off: 'not used',
  up: 'answers',
  down: '<span class="warning">away</span>',
} as const;

export function storeHtml({ store, redis }: StatusFacts): string {
  const { bytes, count, records, quotaBytes, freeBytes, paused, evictions } = store;
  const facts = [
    ['Bodies', String(count)],
    ['Entries', String(records)],
    ['Free on the disk', freeBytes === undefined ? 'unknown' : bytesText(freeBytes)],
    ['Storing', paused ? '<span class="bad">paused</span>: the disk takes no bytes' : 'as usual'],
    [
      'Left to make room',
      evictions.count === 0
        ? 'nothing yet'
        : `${countText(evictions.count, 'file')}, ${bytesText(evictions.bytes)} so far`,
    ],
    ['Redis', REDIS[redis]],
  ];
  return `<section aria-labelledby="store"><h2 id="store">Store</h2>
<p><label for="quota">${bytesText(bytes)} of ${bytesText(quotaBytes)} used (${shareText(bytes, quotaBytes)})</label>
<meter id="quota" min="0" max="${quotaBytes}" high="${quotaBytes * 0.9}" value="${Math.min(bytes, quotaBytes)}"></meter></p>
<dl class="facts">${facts.map(([name, value]) => `<div><dt>${name}</dt><dd>${value}</dd></div>`).join('')}</dl></section>`;
}
