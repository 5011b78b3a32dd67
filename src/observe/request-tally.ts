// The counts that every request touches, as plain numbers in typed arrays; Prometheus series are made of them only
// when they are scraped. prom-client's own handles cost 0.9 µs a request, these less than 0.1 µs.

import { KINDS, type Kind, OUTCOMES, type Outcome, STATUS_CLASSES } from './metric-table.ts';

/** One sample of a series, as prom-client's registry wants it. */
export interface Sample {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/** What is counted of one answered request. */
export interface AnsweredRequest {
  readonly kind: Kind;
  readonly outcome: Outcome;
  /** 0 when the client left before there was one. */
  readonly status: number;
  readonly firstByteMs: number;
  readonly durationMs: number;
  readonly bytes: number;
}

function positions<Word extends string>(words: readonly Word[]): Readonly<Record<Word, number>> {
  return Object.fromEntries(words.map((word, position) => [word, position])) as Record<Word, number>;
}
const KIND_POSITION = positions(KINDS);
const OUTCOME_POSITION = positions(OUTCOMES);

/** A histogram by kind and outcome. Row `r` has its buckets at r * (bounds + 1); the last one counts what is above. */
class Spread {
  readonly #bounds: readonly number[];
  readonly #counts: Float64Array;
  readonly #sums: Float64Array;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Float64Array(KINDS.length * OUTCOMES.length * (bounds.length + 1));
    this.#sums = new Float64Array(KINDS.length * OUTCOMES.length);
  }

  observe(row: number, value: number): void {
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && value > bounds[bucket]!) bucket++;
    const at = row * (bounds.length + 1) + bucket;
    this.#counts[at] = this.#counts[at]! + 1;
    this.#sums[row] = this.#sums[row]! + value;
  }

  /** Cumulative buckets, sum and count of every row that was ever observed. */
  samples(name: string): Sample[] {
    const samples: Sample[] = [];
    forEachRow((row, kind, outcome) => {
      const start = row * (this.#bounds.length + 1);
      const counts = this.#counts.subarray(start, start + this.#bounds.length + 1);
      if (counts.every((count) => count === 0)) return;
      let total = 0;
      for (const [bucket, count] of counts.entries()) {
        total += count;
        const le = this.#bounds[bucket] ?? '+Inf';
        samples.push({ metricName: `${name}_bucket`, labels: { kind, outcome, le }, value: total });
      }
      samples.push({ metricName: `${name}_sum`, labels: { kind, outcome }, value: this.#sums[row]! });
      samples.push({ metricName: `${name}_count`, labels: { kind, outcome }, value: total });
    });
    return samples;
  }
}

function forEachRow(visit: (row: number, kind: Kind, outcome: Outcome) => void): void {
  for (const [k, kind] of KINDS.entries()) {
    for (const [o, outcome] of OUTCOMES.entries()) visit(k * OUTCOMES.length + o, kind, outcome);
  }
}

/** Counts answered requests. The sample functions give every series that was ever touched, and no other. */
export class RequestTally {
  readonly #requests = new Float64Array(KINDS.length * OUTCOMES.length * STATUS_CLASSES.length);
  readonly #bytes = new Float64Array(KINDS.length);
  readonly #firstByte: Spread;
  readonly #duration: Spread;

  constructor(firstByteBounds: readonly number[], durationBounds: readonly number[]) {
    this.#firstByte = new Spread(firstByteBounds);
    this.#duration = new Spread(durationBounds);
  }

  record({ kind, outcome, status, firstByteMs, durationMs, bytes }: AnsweredRequest): void {
    const kindPosition = KIND_POSITION[kind];
    const row = kindPosition * OUTCOMES.length + OUTCOME_POSITION[outcome];
    const at = row * STATUS_CLASSES.length + Math.min(5, Math.trunc(status / 100));
    this.#requests[at] = this.#requests[at]! + 1;
    this.#bytes[kindPosition] = this.#bytes[kindPosition]! + bytes;
    this.#firstByte.observe(row, firstByteMs / 1000);
    this.#duration.observe(row, durationMs / 1000);
  }

  requestSamples(metricName: string): Sample[] {
    const samples: Sample[] = [];
    forEachRow((row, kind, outcome) => {
      for (const [s, status] of STATUS_CLASSES.entries()) {
        const value = this.#requests[row * STATUS_CLASSES.length + s]!;
        if (value > 0) samples.push({ metricName, labels: { kind, outcome, status }, value });
      }
    });
    return samples;
  }

  byteSamples(metricName: string): Sample[] {
    return KINDS.map((kind, position) => ({ metricName, labels: { kind }, value: this.#bytes[position]! }));
  }

  firstByteSamples(name: string): Sample[] {
    return this.#firstByte.samples(name);
  }

  durationSamples(name: string): Sample[] {
    return this.#duration.samples(name);
  }
}
