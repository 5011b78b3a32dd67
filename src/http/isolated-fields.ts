// What others' bytes may do in a browser: nothing in the origin of the status page, whose user may administer this
// server. A sandboxed document has an origin of its own and runs no script; without sniffing its type is the one
// that was said. Pure.

import type { Fields } from '../core/http-message.ts';

/** Whether the bytes are served beside our own pages (`shared`), or at a listener where there are none (`own`). */
export type WebOrigin = 'shared' | 'own';

/** Types that a browser shows as bytes, text or pixels, whatever is in them; scripts are not run by being opened. */
const INERT =
  /^(?:application\/(?:octet-stream|json|zip|gzip|x-[\w.+-]*)|text\/plain|(?:audio|font|video)\/[\w.+-]+|image\/(?!svg)[\w.+-]+)\s*(?:;|$)/i;

/**
 * The fields with `sandbox` as one more policy (all of them hold, CSP 3 section 8.1) and `nosniff`. Where nothing of
 * ours is, what cannot be run keeps its policies as they are. Asked again of its own result it adds nothing.
 */
export function isolated(fields: Fields, webOrigin: WebOrigin): Fields {
  const kept: string[] = [];
  let types = 0;
  let isInert = true;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!.toLowerCase();
    const value = fields[i + 1]!;
    if (name === 'content-type') {
      types += 1;
      isInert &&= INERT.test(value.trim());
    }
    if (name === 'x-content-type-options' || (name === 'content-security-policy' && value === 'sandbox')) continue;
    kept.push(fields[i]!, value);
  }
  if (webOrigin === 'shared' || types === 0 || !isInert) kept.push('content-security-policy', 'sandbox');
  return [...kept, 'x-content-type-options', 'nosniff'];
}
