// What requests for one index, or one raw mount, may do: prove who we are at its own origins, and reach these although
// they are not public. Rights belong to whoever lists a file, at every hop: a page of another index that names a URL
// here, or a redirect that leads here, brings none of them along.

import { authorization, type Credentials } from './credentials.ts';
import type { ClientIdentity } from './open-socket.ts';

/** Credentials that may be exchanged while we run. */
export interface CredentialSource {
  readonly value: Credentials | undefined;
  /** Reads them again, because they were refused. Resolves soon, whatever comes of it; never rejects. */
  renew(): Promise<void>;
}

/** One of the places that belong to an index or mount. */
export interface OwnPlace {
  /** Base URL with the final slash. */
  readonly url: string;
  readonly credentials?: CredentialSource;
  /** The client certificate that the place wants, as it is now; undefined while there is none. */
  readonly identity?: () => ClientIdentity | undefined;
}

interface Place extends OwnPlace {
  readonly base: URL;
}

/** The rights of one index or raw mount. */
export class OriginRights {
  readonly #places: readonly Place[];

  /** In the order of preference, where a URL lies equally near to several. */
  constructor(places: readonly OwnPlace[]) {
    this.#places = places.map((place) => ({ ...place, base: new URL(place.url) }));
  }

  /** Rights to nothing. */
  static readonly none = new OriginRights([]);

  /** Whether the egress guard lets requests through that are plain http or lead to a private address. */
  reaches(url: URL): boolean {
    return this.#ofOrigin(url).length > 0;
  }

  /**
   * The Authorization value for a URL; undefined when there is none. `asked` is the base of the place that is being
   * asked, where that is known. RFC 9110 11.5: credentials are bound to an origin (scheme, host and port).
   */
  authorizationFor(url: URL, asked?: string): string | undefined {
    const value = this.#placeOf(url, asked)?.credentials?.value;
    return value === undefined ? undefined : authorization(value);
  }

  /** The client certificate for a URL; undefined when there is none. `asked` as for `authorizationFor`. */
  identityFor(url: URL, asked?: string): ClientIdentity | undefined {
    return this.#placeOf(url, asked)?.identity?.();
  }

  /** The place refused what `authorizationFor` gave: its credentials are read again. */
  async renew(url: URL, asked?: string): Promise<void> {
    await this.#placeOf(url, asked)?.credentials?.renew();
  }

  /**
   * Of several places on one origin the one whose path has most segments in common with the URL's: files lie beside the
   * pages that list them (`/team-a/simple/`, `/team-a/files/`), not below them.
   */
  #placeOf(url: URL, asked: string | undefined): Place | undefined {
    const ofOrigin = this.#ofOrigin(url);
    const asking = ofOrigin.find(({ base }) => base.href === asked);
    if (asking !== undefined) return asking;
    let nearest: { readonly place: Place; readonly segments: number } | undefined;
    for (const place of ofOrigin) {
      const segments = commonSegments(place.base.pathname, url.pathname);
      if (nearest === undefined || segments > nearest.segments) nearest = { place, segments };
    }
    return nearest?.place;
  }

  #ofOrigin(url: URL): readonly Place[] {
    return this.#places.filter(({ base }) => base.origin === url.origin);
  }
}

function commonSegments(one: string, other: string): number {
  const [ours, theirs] = [one.split('/'), other.split('/')];
  const differing = ours.findIndex((segment, place) => segment !== theirs[place]);
  return differing < 0 ? ours.length : differing;
}
