// `/` for a person, with its style and script: what is sent and by which rules a browser may use it.

import { createHash } from 'node:crypto';
import type { StatusFacts } from './facts.ts';
import { statusPageHtml, statusText } from './page.ts';
import { SCRIPT } from './script.ts';
import { STYLE } from './style.ts';

/** A file of the page, ready to be sent. */
export interface StatusAnswer {
  readonly fields: readonly string[];
  readonly body: Buffer;
}

/** Nothing inline, nothing from elsewhere, nothing may frame it; the icon is part of the page. */
const POLICY = [
  "default-src 'none'",
  "style-src 'self'",
  "script-src 'self'",
  "connect-src 'self'",
  'img-src data:',
  "form-action 'none'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Answers `/` and what the page is made of. */
export class StatusPage {
  readonly #facts: () => Promise<StatusFacts>;
  readonly #assets = { style: new Asset('text/css', STYLE), script: new Asset('text/javascript', SCRIPT) };

  constructor(options: { readonly facts: () => Promise<StatusFacts> }) {
    this.#facts = options.facts;
  }

  /** The page, or one line of text for a client that asks for text or for nothing in particular. */
  async page(accept: string | undefined): Promise<StatusAnswer> {
    const facts = await this.#facts();
    const isText = accept === undefined || (accept.includes('text/plain') && !accept.includes('text/html'));
    const { style, script } = this.#assets;
    const links = { style: `-/status.css?${style.version}`, script: `-/status.js?${script.version}` };
    const { fields, body } = isText
      ? answer('text/plain', statusText(facts), 'no-store')
      : answer('text/html', statusPageHtml(facts, links), 'no-store');
    return { fields: [...fields, 'vary', 'accept'], body };
  }

  /** Style or script. `target` is the request's: one that names the version which is sent may be kept for ever. */
  asset(which: 'style' | 'script', target: string): StatusAnswer {
    return this.#assets[which].answer(target);
  }
}

class Asset {
  /** Beginning of the hash of its bytes: another release's page asks for another address. */
  readonly version: string;
  readonly #type: string;
  readonly #text: string;

  constructor(type: string, text: string) {
    this.version = createHash('sha256').update(text).digest('hex').slice(0, 16);
    this.#type = type;
    this.#text = text;
  }

  answer(target: string): StatusAnswer {
    const isCurrent = target.endsWith(`?${this.version}`);
    return answer(this.#type, this.#text, isCurrent ? 'public, max-age=31536000, immutable' : 'no-cache');
  }
}

function answer(type: string, text: string, cacheControl: string): StatusAnswer {
  const body = Buffer.from(text);
  const fields = [
    'content-type',
    `${type}; charset=utf-8`,
    'cache-control',
    cacheControl,
    'content-security-policy',
    POLICY,
    'referrer-policy',
    'no-referrer',
    'cross-origin-opener-policy',
    'same-origin',
  ];
  return { fields, body };
}
