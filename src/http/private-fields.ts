// What an answer says to caches in front of us while clients have to prove who they are: none of them may give it to
// others, whatever the origin allows, and in whichever field the origin says so. Pure.

import type { Fields } from '../core/http-message.ts';

/** What has no meaning beside `private`. */
const SHARING = /^(?:public|private|s-maxage *=.*)$/i;
/** Fields that count in the place of Cache-Control: targeted ones (RFC 9213 2.2) and those that came before them. */
const OF_OTHER_CACHES = /^(?:.+-cache-control|surrogate-control|edge-control|x-accel-expires)$/;

/** The fields with `private` in Cache-Control; names may be in any case, those that remain keep theirs. */
export function privateFields(fields: Fields): Fields {
  const kept: string[] = [];
  const directives: string[] = ['private'];
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!.toLowerCase();
    if (name === 'cache-control') {
      for (const directive of fields[i + 1]!.split(',')) {
        if (directive.trim() !== '' && !SHARING.test(directive.trim())) directives.push(directive.trim());
      }
    } else if (!OF_OTHER_CACHES.test(name)) kept.push(fields[i]!, fields[i + 1]!);
  }
  return [...kept, 'cache-control', directives.join(', ')];
}
