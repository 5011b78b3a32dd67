// Finds out whether a server works when single projects fail at it: asks it for something neutral, what was well lately
// and what every server of its kind has. When all of that fails too, the server is what fails, and its circuit opens.

import { UpstreamFailure } from '../core/errors.ts';
import { fieldValue, type IncomingResponse } from '../core/http-message.ts';
import { isUnhealthy } from '../net/failures.ts';
import type { Mirror } from './mirror.ts';

/** How a mirror is asked something neutral. */
export interface InquiryOptions {
  /** Relative to the mirror's base; undefined where there is nothing that every server has. */
  readonly neutralPath: string | undefined;
  /** Rejects with UpstreamFailure 'invalid-body' when a whole body is not what the path is for. */
  readonly check: ((path: string, response: IncomingResponse, body: Buffer) => Promise<void>) | undefined;
  /** Rejects with an UpstreamFailure. */
  readonly ask: (mirror: Mirror, path: string) => Promise<IncomingResponse>;
}

/** So many of the paths that were well lately are asked at once before a circuit opens. */
const ASKED_AT_ONCE = 2;

/** A type that no portal and no error page has: the body, which may be a list of everything, need not be read. */
const SIMPLE_API = /^application\/vnd\.pypi\.simple\./i;

/** Asks a suspect mirror for something neutral, and trips its circuit when that fails too. */
export class Inquiry {
  readonly #options: InquiryOptions;
  readonly #underWay = new Set<Mirror>();
  /** How many probes each mirror has had, so that they do not all ask for the same. */
  readonly #probes = new WeakMap<Mirror, number>();

  constructor(options: InquiryOptions) {
    this.#options = options;
  }

  /** After each failure: asks when distinct projects have failed without a success between them. */
  afterFailure(mirror: Mirror): void {
    if (!mirror.isSuspect || this.#underWay.has(mirror)) return;
    this.#underWay.add(mirror);
    void this.#inquire(mirror).finally(() => this.#underWay.delete(mirror));
  }

  /** Whether there is something neutral to ask it for. */
  canProbe(mirror: Mirror): boolean {
    return this.#paths(mirror).length > 0;
  }

  /** One neutral request, which closes a circuit or keeps it open. Never rejects. */
  async probe(mirror: Mirror): Promise<void> {
    const permit = mirror.beginProbe();
    if (permit === undefined) return;
    const paths = this.#paths(mirror);
    const count = this.#probes.get(mirror) ?? 0;
    this.#probes.set(mirror, count + 1);
    const path = paths[count % paths.length]!;
    try {
      await this.#askFor(mirror, path);
      mirror.succeeded(permit);
      mirror.answeredForItself();
    } catch (error) {
      if (error instanceof UpstreamFailure) mirror.failed(permit, error, undefined);
      else mirror.abandoned(permit);
    }
  }

  async #inquire(mirror: Mirror): Promise<void> {
    const { neutralPath } = this.#options;
    const lately = mirror.neutralPaths.slice(0, ASKED_AT_ONCE);
    const paths = neutralPath === undefined ? lately : [...lately, neutralPath];
    try {
      await Promise.any(paths.map((path) => this.#askFor(mirror, path)));
      mirror.answeredForItself();
    } catch (error) {
      const causes = (error as AggregateError).errors;
      // What ended by a fault of our own, or was given up, says nothing of the server.
      const failures = causes.filter((cause) => cause instanceof UpstreamFailure && saysSomething(cause));
      if (failures.length < causes.length) return;
      mirror.trip(Math.max(0, ...failures.map(({ pauseMs }) => pauseMs ?? 0)));
    }
  }

  #paths(mirror: Mirror): string[] {
    const { neutralPath } = this.#options;
    return neutralPath === undefined ? mirror.neutralPaths : [...mirror.neutralPaths.slice(0, 1), neutralPath];
  }

  /** Resolves when the server shows that it works: an answer of any kind that only a working one gives. */
  async #askFor(mirror: Mirror, path: string): Promise<void> {
    try {
      const response = await this.#options.ask(mirror, path);
      const { body, status } = response;
      const isList = path === this.#options.neutralPath;
      if (status !== 200 || (isList && SIMPLE_API.test(fieldValue(response.fields, 'content-type') ?? ''))) {
        body.on('error', () => {}).destroy();
        return;
      }
      const chunks: Buffer[] = [];
      for await (const chunk of body) chunks.push(chunk as Buffer);
      await this.#options.check?.(path, response, Buffer.concat(chunks));
    } catch (error) {
      if (error instanceof UpstreamFailure && isSignOfLife(error)) return;
      throw error;
    }
  }
}

/** A client error, a page that is too large: strange, and yet the answer of a server that works. */
function isSignOfLife(failure: UpstreamFailure): boolean {
  if (failure.pauseMs !== undefined || failure.kind === 'invalid-body') return false;
  return saysSomething(failure) && !isUnhealthy(failure);
}

function saysSomething({ kind }: UpstreamFailure): boolean {
  return kind !== 'aborted' && kind !== 'crowded';
}
