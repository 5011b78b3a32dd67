// What gives way where all that is remembered with a page would make its description larger than what is read back:
// texts that no installer needs, then files that have left, the oldest first. Never the page, nor by which URL and hash
// a file is known that changed.

import type { KeptFiles, PageFacts } from '../pages/page.ts';
import { withoutTexts, withStoredFiles } from '../pages/pinned-files.ts';
import type { Json } from '../store/entries/entry.ts';

/** The facts of a page with one thing less; undefined when nothing of them may give way. */
export function lighterFacts(facts: Json): Json | undefined {
  const { kept, departed, ...others } = (facts ?? {}) as PageFacts;
  const bare = { kept: kept && withoutTexts(kept), departed: departed && withoutTexts(departed) };
  if (bare.kept?.page !== kept?.page || bare.departed?.page !== departed?.page) return present({ ...others, ...bare });
  if (departed === undefined) return undefined;
  return present({ ...others, kept, departed: laterHalf(departed) });
}

function laterHalf({ filenames, page }: KeptFiles): KeptFiles | undefined {
  const later = filenames.slice(Math.ceil(filenames.length / 2));
  if (later.length === 0) return undefined;
  const names = new Set<unknown>(later);
  return withStoredFiles({ filenames: later, page }, (file) => (names.has(file.filename) ? file : undefined));
}

function present(facts: Readonly<Record<string, unknown>>): Json {
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined)) as Json;
}
