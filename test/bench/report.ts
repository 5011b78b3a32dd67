// What the bench found: a table for each work, then every promise of the design with its verdict.

import { type Figure, shown } from './figures.ts';

/** `unclear`: the machine was too noisy to tell, or the work could not be done here; the reason stands beside it. */
export type Verdict = 'met' | 'missed' | 'unclear';

export interface PromiseRow {
  readonly work: string;
  readonly promise: string;
  readonly measured: string;
  readonly verdict: Verdict;
  readonly remark?: string;
}

export interface TableRow {
  readonly name: string;
  readonly cells: Readonly<Record<string, Figure | string>>;
}

export interface Table {
  readonly title: string;
  readonly rows: readonly TableRow[];
}

/** What a promise allows, and what was measured of it. */
export interface Judged {
  readonly work: string;
  readonly what: string;
  readonly value: number;
  readonly limit: { readonly atLeast: number } | { readonly atMost: number };
  readonly unit?: string;
  /** Why this run cannot tell, if so. */
  readonly unclear?: string | undefined;
  readonly remark?: string;
}

export class Report {
  readonly tables: Table[] = [];
  readonly promises: PromiseRow[] = [];

  table(title: string, rows: readonly TableRow[]): void {
    const table = { title, rows };
    this.tables.push(table);
    console.log(`\n${tableText(table)}`);
  }

  judge({ work, what, value, limit, unit = '', unclear, remark }: Judged): void {
    const atLeast = 'atLeast' in limit;
    const target = atLeast ? limit.atLeast : limit.atMost;
    const kept = atLeast ? value >= target : value <= target;
    const remarks = [unclear, remark].filter((text) => text !== undefined).join('; ');
    this.promises.push({
      work,
      promise: `${what} ${atLeast ? '>=' : '<='} ${target}${unit}`,
      measured: `${shown(value)}${unit}`,
      verdict: unclear === undefined ? (kept ? 'met' : 'missed') : 'unclear',
      ...(remarks === '' ? {} : { remark: remarks }),
    });
  }

  /** A promise that this run could not measure at all. */
  unmeasured(work: string, promise: string, reason: string): void {
    this.promises.push({ work, promise, measured: '-', verdict: 'unclear', remark: reason });
  }

  print(): void {
    const lines = this.promises.map((row) => [row.work, row.promise, row.measured, row.verdict, row.remark ?? '']);
    console.log(`\n${columns([['work', 'promise', 'measured', 'verdict', ''], ...lines])}`);
  }
}

function tableText({ title, rows }: Table): string {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row.cells)))];
  const lines = rows.map((row) => [row.name, ...names.map((name) => cellText(row.cells[name]))]);
  return `${title}\n${columns([['', ...names], ...lines])}`;
}

function cellText(cell: Figure | string | undefined): string {
  if (cell === undefined) return '-';
  if (typeof cell === 'string') return cell;
  const spread = Number.isFinite(cell.spread) && cell.values.length > 1 ? ` ±${Math.round(cell.spread * 50)}%` : '';
  return shown(cell.median) + spread;
}

function columns(lines: readonly (readonly string[])[]): string {
  const widths = lines[0]!.map((_, at) => Math.max(...lines.map((line) => line[at]!.length)));
  return lines.map((line) => `  ${line.map((cell, at) => cell.padEnd(widths[at]!)).join('  ')}`.trimEnd()).join('\n');
}
