// A bar for each hour or day, as SVG that needs no script: what came from the cache, what was fetched, what failed.
// The figures are also there as a table, for those who cannot see the bars.

import { bytesText, countText } from '../observe/figures.ts';
import type { Period } from '../observe/traffic.ts';
import { shareText } from './wording.ts';

/** One chart: its periods and how they are named. */
export interface ChartOptions {
  /** The id of its heading, unique in the page. */
  readonly id: string;
  readonly title: string;
  /** `hour` or `day`. */
  readonly unit: string;
  readonly periods: readonly Period[];
  /** How a period is called: `21:00`, `11-22`. */
  readonly nameOf: (start: number) => string;
}

/** In units of the view box, which is stretched to the width there is. */
const SLOT = 10;
const BAR = 8;
const HEIGHT = 100;

/** A bar chart as SVG. */
export function chartHtml({ id, title, unit, periods, nameOf }: ChartOptions): string {
  const most = Math.max(...periods.map(({ answers }) => answers));
  const bars = periods.map((period, position) => barSvg(period, position * SLOT, most, nameOf(period.start)));
  const scale = most === 0 ? 'nothing was asked for' : `the tallest bar is ${countText(most, 'answer')}`;
  return `<figure><figcaption><h3 id="${id}">${title}</h3><p>${scale}</p></figcaption>
<svg viewBox="0 0 ${periods.length * SLOT} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-labelledby="${id}">${bars.join('')}</svg>
<p class="axis" aria-hidden="true"><span>${nameOf(periods[0]!.start)}</span><span>${nameOf(periods.at(-1)!.start)}</span></p>
${tableHtml(title, unit, periods, nameOf)}</figure>`;
}

function barSvg(period: Period, x: number, most: number, name: string): string {
  const { answers, fromCache, failed } = period;
  if (answers === 0) return '';
  const heightOf = (part: number) => (part / most) * HEIGHT;
  const parts = [
    ['cached', fromCache],
    ['fetched', answers - fromCache - failed],
    ['failed', failed],
  ] as const;
  let bottom = HEIGHT;
  let rects = '';
  for (const [kind, part] of parts) {
    if (part <= 0) continue;
    bottom -= heightOf(part);
    rects += `<rect class="${kind}" x="${x + (SLOT - BAR) / 2}" y="${bottom.toFixed(2)}" width="${BAR}" height="${heightOf(part).toFixed(2)}"/>`;
  }
  return `<g><title>${name}: ${countText(answers, 'answer')}, ${shareText(fromCache, answers)} from the cache</title>${rects}</g>`;
}

function tableHtml(title: string, unit: string, periods: readonly Period[], nameOf: (start: number) => string): string {
  const rows = periods
    .filter(({ answers }) => answers > 0)
    .reverse()
    .map(
      ({ start, answers, fromCache, stale, failed, savedBytes }) =>
        `<tr><th scope="row">${nameOf(start)}</th><td>${answers}</td><td>${shareText(fromCache, answers)}</td><td>${stale}</td><td>${failed}</td><td>${bytesText(savedBytes)}</td></tr>`,
    );
  if (rows.length === 0) return '';
  return `<details><summary>In figures</summary><div class="scroll" tabindex="0" role="region" aria-label="${title}, in figures"><table class="figures"><caption>${title}; one line for each ${unit} with an answer</caption>
<thead><tr><th scope="col">${unit} (UTC)</th><th scope="col">answers</th><th scope="col">from the cache</th><th scope="col">stale</th><th scope="col">failed</th><th scope="col">saved</th></tr></thead>
<tbody>${rows.join('')}</tbody></table></div></details>`;
}
