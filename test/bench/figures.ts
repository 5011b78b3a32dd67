// What is said of repeated measurements: the median, and how far the rounds lie apart.

/** One quantity over all rounds. */
export interface Figure {
  readonly median: number;
  /** (largest - smallest) / median; 0.25 is the limit above which a machine is too noisy to tell. */
  readonly spread: number;
  readonly values: readonly number[];
}

export function figure(values: readonly number[]): Figure {
  const middle = median(values);
  return { median: middle, spread: !(middle > 0) ? 0 : (Math.max(...values) - Math.min(...values)) / middle, values };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  // Of an even count the mean of the two in the middle: the upper one would flatter rates.
  return (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
}

/** The value below which `share` (0 to 1) of the values lie, the nearest one; NaN without values. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/**
 * How many times `mine` is of `theirs`, each round by itself: what disturbed the machine in a round disturbed both,
 * so the median of the ratios tells more than the ratio of the medians.
 */
export function ratio(mine: readonly number[], theirs: readonly number[]): Figure {
  return figure(mine.map((value, round) => value / theirs[round]!));
}

/** Three significant digits, thousands without a fraction. */
export function shown(value: number): string {
  if (!Number.isFinite(value)) return '-';
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString('en-US');
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
}
