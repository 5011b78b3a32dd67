// What a fetch brings to those who wait for it.

import type { Fields, IncomingResponse } from '../core/http-message.ts';
import type { Entry } from '../store/entries/entry.ts';
import type { GrowingBody } from './growing-body.ts';

/** What a fetch came to: stored, arriving, passing or failed. */
export type FetchResult =
  /** The entry is stored, or about to be: new or confirmed. */
  | {
      readonly kind: 'stored';
      readonly outcome: 'miss' | 'updated' | 'revalidated';
      readonly entry: Entry;
      /** The body, where it has just come whole: what is in hand cannot be evicted before it is read. */
      readonly bytes?: Buffer;
      /** Resolves when the copy is where a killed process leaves it; absent when it is there already. */
      readonly persisted?: Promise<void>;
      /** The fields as they came: those that must not be stored are meant for the one who asked. */
      readonly received?: Fields;
      /** What is stored stays as it was: this is for the one who asked. */
      readonly unshared?: true;
    }
  /** The body is on its way; `arrived` resolves with the stored entry, or rejects. */
  | {
      readonly kind: 'growing';
      readonly outcome: 'miss' | 'updated';
      readonly entry: Entry;
      readonly body: GrowingBody;
      readonly received: Fields;
      /** Names this fetch: the validator of bytes that nobody has verified yet. */
      readonly tag: string;
      readonly arrived: Promise<Entry>;
    }
  /** The answer may not be stored: it belongs to the one request that fetched it. */
  | { readonly kind: 'passing'; readonly response: IncomingResponse }
  /** Upstream's answer was not believed; the held entry stays. */
  | {
      readonly kind: 'kept';
      readonly entry: Entry;
      readonly reason: string;
      readonly retryAfterMs: number | undefined;
    };
