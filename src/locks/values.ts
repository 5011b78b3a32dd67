// Reads values that other programs wrote: of the kind that is expected, or as good as absent.

/** A table of TOML or an object of JSON. */
export type Table = Readonly<Record<string, unknown>>;

/** The table, or an empty one. */
export function table(value: unknown): Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Table) : {};
}

/** The tables of a list; what is none is left out. */
export function tables(value: unknown): Table[] {
  return Array.isArray(value) ? value.filter((one) => Object.keys(table(one)).length > 0) : [];
}

/** The value if it is a text. */
export function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** The texts of a list. */
export function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one) => text(one) !== undefined) : [];
}
