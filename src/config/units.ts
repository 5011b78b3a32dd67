// The units in which people write option values, each with its parser, its way back to text, and the sentence that
// says what would be right. The same units read the environment, flags and the YAML file.

/** A text that is no value of its unit; `message` says what would be right. */
export class InvalidValue extends Error {}

/** How one kind of value is read and written. `parse` throws InvalidValue. */
export interface Unit<T> {
  /** For the options table: `duration`, `size`, ... */
  readonly name: string;
  parse(text: string): T;
  format(value: T): string;
}

/** Any text. */
export const text: Unit<string> = {
  name: 'text',
  parse: (input) => input,
  format: (value) => value,
};

/** A path; relative ones start at the folder of the file that names them, else where Wheelkeep was started. */
export const path: Unit<string> = { ...text, name: 'path' };

/** A whole number of at least `min` and at most `max`. */
export function integer(min: number, max: number): Unit<number> {
  return {
    name: 'number',
    parse: (input) => {
      const value = /^\d{1,15}$/.test(input) ? Number(input) : Number.NaN;
      if (value >= min && value <= max) return value;
      throw new InvalidValue(`expected a whole number from ${min} to ${max}`);
    },
    format: String,
  };
}

const TRUE = new Set(['true', 'yes', 'on', '1']);
const FALSE = new Set(['false', 'no', 'off', '0']);

/** `true`, `yes`, `on`, `1`, or their opposites. */
export const boolean: Unit<boolean> = {
  name: 'boolean',
  parse: (input) => {
    const word = input.toLowerCase();
    if (TRUE.has(word)) return true;
    if (FALSE.has(word)) return false;
    throw new InvalidValue('expected true or false');
  },
  format: String,
};

/** One of a few words. */
export function choice<const W extends string>(...words: readonly W[]): Unit<W> {
  return {
    name: words.map((word) => `\`${word}\``).join(', '),
    parse: (input) => {
      const found = words.find((word) => word === input.toLowerCase());
      if (found !== undefined) return found;
      throw new InvalidValue(`expected one of ${words.join(', ')}`);
    },
    format: (value) => value,
  };
}

const MILLISECONDS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Milliseconds, written `500ms`, `60s`, `15m`, `12h` or `7d`; a number without a unit is refused as ambiguous. */
export function duration(limits: { readonly maxMs?: number; readonly unlimited?: boolean } = {}): Unit<number> {
  const words = limits.unlimited ? ', or unlimited' : '';
  const format = (ms: number): string => {
    if (ms === Number.POSITIVE_INFINITY) return 'unlimited';
    const unit = (['d', 'h', 'm', 's'] as const).find((name) => ms > 0 && ms % MILLISECONDS[name] === 0) ?? 'ms';
    return `${ms / MILLISECONDS[unit]}${unit}`;
  };
  return {
    name: 'duration',
    parse: (input) => {
      if (limits.unlimited && input.toLowerCase() === 'unlimited') return Number.POSITIVE_INFINITY;
      const match = /^(\d{1,12}(?:\.\d{1,6})?) ?(ms|s|m|h|d)$/.exec(input);
      if (!match) throw new InvalidValue(`expected a number with its unit (ms, s, m, h or d)${words}`);
      const ms = Math.round(Number(match[1]) * MILLISECONDS[match[2] as keyof typeof MILLISECONDS]);
      if (limits.maxMs === undefined || ms <= limits.maxMs) return ms;
      throw new InvalidValue(`expected at most ${format(limits.maxMs)}`);
    },
    format,
  };
}

const BYTES: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/** Bytes, written `50GB`, `512MB` (powers of ten), `1GiB` (powers of two) or a plain number. */
export const size: Unit<number> = {
  name: 'size',
  parse: (input) => {
    const match = /^(\d{1,15}(?:\.\d{1,6})?) ?([a-z]{1,3})?$/i.exec(input);
    const factor = match && BYTES[(match[2] ?? 'b').toLowerCase()];
    const bytes = factor ? Math.round(Number(match[1]) * factor) : Number.NaN;
    if (Number.isSafeInteger(bytes)) return bytes;
    throw new InvalidValue('expected a size in bytes or with a unit (kB, MB, GB, TB, KiB, MiB, GiB or TiB)');
  },
  format: (bytes) => {
    const unit = ['TB', 'GB', 'MB', 'GiB', 'MiB', 'KiB'].find(
      (name) => bytes > 0 && bytes % BYTES[name.toLowerCase()]! === 0,
    );
    return unit ? `${bytes / BYTES[unit.toLowerCase()]!}${unit}` : String(bytes);
  },
};

/** A size of at least `minBytes`. */
export function sizeFrom(minBytes: number): Unit<number> {
  return {
    ...size,
    parse: (input) => {
      const bytes = size.parse(input);
      if (bytes < minBytes) throw new InvalidValue(`expected at least ${minBytes} bytes`);
      return bytes;
    },
  };
}

/** A size, or the word that stands for every size: Infinity. */
export const sizeOrUnlimited: Unit<number> = {
  ...size,
  parse: (input) => {
    if (input.toLowerCase() === 'unlimited') return Number.POSITIVE_INFINITY;
    try {
      return size.parse(input);
    } catch (error) {
      if (!(error instanceof InvalidValue)) throw error;
      throw new InvalidValue(`${error.message}, or unlimited`);
    }
  },
  format: (bytes) => (bytes === Number.POSITIVE_INFINITY ? 'unlimited' : size.format(bytes)),
};

/** Values by comma; blanks around them and empty ones are dropped. */
export function list<T>(unit: Unit<T>): Unit<readonly T[]> {
  return {
    name: `${unit.name}, several by comma`,
    parse: (input) =>
      input
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== '')
        .map((part) => unit.parse(part)),
    format: (values) => values.map((value) => unit.format(value)).join(','),
  };
}
