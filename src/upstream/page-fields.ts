// The fields with which an index is asked for a page: a fixed list, nothing of a client's request reaches an index.

import { type Fields, withField } from '../core/http-message.ts';

/** In which formats an index is asked for its pages. */
export type AcceptedFormats = 'any' | 'json' | 'html';

/** Never a tie: the layers of an index break ties differently. `json` and `html` are for indexes that ignore q. */
const ACCEPT: Readonly<Record<AcceptedFormats, string>> = {
  any: 'application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01',
  json: 'application/vnd.pypi.simple.v1+json',
  html: 'text/html',
};

/** `further` are validators above all, and replace ours of the same name. */
export function pageFields(accept: AcceptedFormats, further: Fields): Fields {
  let fields: Fields = ['accept', ACCEPT[accept], 'accept-encoding', 'gzip'];
  for (let i = 0; i < further.length; i += 2) fields = withField(fields, further[i]!, further[i + 1]!);
  return fields;
}
