// One hop of a redirect (RFC 9110 15.4), decided by hand: every hop is checked as if it had been asked for.

import { UpstreamFailure } from '../core/errors.ts';
import { fieldValue, type ResponseHead } from '../core/http-message.ts';

/** More hops than that is a loop with extra steps. */
const MAX_HOPS = 5;

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** The caller's word on leaving `from` for `to`. */
export type MayRedirect = (from: URL, to: URL) => boolean;

/** A redirect that is not followed because of where it leads. */
export class RefusedRedirect extends UpstreamFailure {
  readonly from: URL;
  readonly to: URL;

  constructor(from: URL, to: URL, what: string) {
    super('redirect', `${from.host} ${what}`);
    this.from = from;
    this.to = to;
  }
}

/**
 * Where `answer` sends us from `visited`'s last URL, or undefined when it is final.
 * Throws UpstreamFailure 'redirect' for a loop, too many hops, a downgrade to http or a target that is not allowed.
 */
export function nextHop(answer: ResponseHead, visited: readonly URL[], mayRedirect: MayRedirect): URL | undefined {
  if (!REDIRECTS.has(answer.status)) return undefined;
  const location = fieldValue(answer.fields, 'location');
  if (location === undefined) return undefined;
  const from = visited.at(-1)!;
  const to = URL.parse(location, from.href);
  if (to === null) throw refusal(from, 'redirects to something that is no URL');
  // RFC 9110 10.2.2: a target without fragment inherits ours; neither is ever sent.
  to.hash = '';
  if (to.protocol !== 'https:' && to.protocol !== from.protocol)
    throw new RefusedRedirect(from, to, 'redirects away from https');
  if (to.username !== '' || to.password !== '') {
    throw new RefusedRedirect(from, to, 'redirects to a URL with credentials in it');
  }
  if (visited.some((url) => url.href === to.href)) throw refusal(from, 'redirects in a loop');
  if (visited.length > MAX_HOPS) throw refusal(from, `redirects more than ${MAX_HOPS} times`);
  if (!mayRedirect(from, to)) {
    throw new RefusedRedirect(from, to, `redirects to ${to.host}, which is not allowed`);
  }
  return to;
}

function refusal(from: URL, what: string): UpstreamFailure {
  return new UpstreamFailure('redirect', `${from.host} ${what}`);
}
