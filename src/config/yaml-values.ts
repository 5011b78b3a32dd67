// How the values of the YAML file are checked, whatever they are for. Loaded with zod, only when a file is named.

import { z } from 'zod';
import { InvalidValue, type Unit } from './units.ts';

/** A text, number or truth value, read by the parser of its unit. */
export function inUnit<T>(unit: Unit<T>) {
  return z.unknown().transform((raw, context): T => {
    try {
      if (['string', 'number', 'boolean'].includes(typeof raw)) return unit.parse(String(raw).trim());
      context.addIssue({ code: 'custom', message: raw === undefined ? 'is missing' : `expected one ${unit.name}` });
    } catch (error) {
      if (!(error instanceof InvalidValue)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
    }
    return z.NEVER;
  });
}

/** An object of exactly these keys; a stranger is an issue of its own beside all others. */
export function record<S extends z.ZodRawShape>(shape: S) {
  const known = Object.keys(shape).join(', ');
  return z.strictObject(shape, {
    error: ({ code }) =>
      code === 'unrecognized_keys' ? `unknown key; known here: ${known}` : `expected the keys ${known}`,
  });
}
