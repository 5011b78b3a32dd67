// The last words of `wheelkeep run`: lines for a terminal, Markdown for the summary page of a CI system.

import { bytesText, countText, secondsText } from '../observe/figures.ts';
import type { RunFigures } from './run-figures.ts';

export function summaryLines(figures: RunFigures): string[] {
  const { requests, hits, upstreamBytes } = figures;
  if (requests === 0)
    return ['nothing was asked for; if the command installs something, it has another index configured'];
  const lines = [
    `${countText(requests, 'request')}, ${hits} from the cache (${share(figures)}); ` +
      `${bytesText(cachedBytes(figures))} from the cache, ${bytesText(upstreamBytes)} from upstream`,
    savings(figures),
  ];
  const { stale, failed, upstreamFailures } = figures;
  if (stale.size > 0) lines.push(`served stale: ${listed(stale)}`);
  if (failed > 0) lines.push(`could not be answered: ${countText(failed, 'request')}`);
  if (upstreamFailures.size > 0) lines.push(`failures of upstream: ${listed(upstreamFailures)}`);
  return lines;
}

export function summaryJson(figures: RunFigures, exitCode: number) {
  const { savedSeconds = null, stale, upstreamFailures, ...rest } = figures;
  return {
    exitCode,
    ...rest,
    savedSeconds,
    cachedBytes: cachedBytes(figures),
    stale: Object.fromEntries(stale),
    upstreamFailures: Object.fromEntries(upstreamFailures),
  };
}

export function summaryMarkdown(figures: RunFigures, command: readonly string[]): string {
  const rows: readonly (readonly [what: string, value: string])[] = [
    ['Requests', String(figures.requests)],
    ['From the cache', `${figures.hits} (${share(figures)})`],
    ['Bytes from the cache', bytesText(cachedBytes(figures))],
    ['Bytes from upstream', bytesText(figures.upstreamBytes)],
    ['Served stale', listed(figures.stale)],
    ['Could not be answered', String(figures.failed)],
    ['Failures of upstream', listed(figures.upstreamFailures)],
  ];
  const table = rows.map(([what, value]) => `| ${what} | ${value} |`).join('\n');
  // Code that begins with more backticks than it holds cannot be ended by its own.
  const typed = command.join(' ').replaceAll(/\s+/g, ' ');
  const fence = '`'.repeat(1 + Math.max(0, ...[...typed.matchAll(/`+/g)].map(([run]) => run.length)));
  return `### Wheelkeep: ${fence} ${typed} ${fence}\n\n| | |\n| --- | --- |\n${table}\n\n${savings(figures)}\n`;
}

function savings({ savedSeconds, hits }: RunFigures): string {
  if (hits === 0) return 'the cache was empty: the next run will be served from it';
  if (savedSeconds === undefined) return 'seconds saved: unknown, for nothing came from upstream to compare with';
  return `about ${secondsText(savedSeconds)} of waiting saved (each hit counted as an average miss of its kind in this run; requests in parallel add up)`;
}

/** What was sent and had not been received; roughly, for the coding of our pages may differ from upstream's. */
function cachedBytes({ hits, sentBytes, upstreamBytes }: RunFigures): number {
  return hits === 0 ? 0 : Math.max(0, sentBytes - upstreamBytes);
}

function share({ hits, requests }: RunFigures): string {
  return `${requests === 0 ? 0 : Math.round((hits / requests) * 100)} %`;
}

function listed(counts: ReadonlyMap<string, number>): string {
  return counts.size === 0 ? 'none' : [...counts].map(([what, count]) => `${count} × ${what}`).join(', ');
}
