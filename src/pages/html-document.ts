// The one use of htmlparser2: what an index page in HTML consists of, before anybody asks what it means. Nothing of
// the document's own markup goes further than this file.

import { Parser } from 'htmlparser2';
import { withoutByteOrderMark } from './exact-json.ts';
import { InvalidPage } from './invalid-page.ts';

/** One `a` element with an href. */
export interface Anchor {
  readonly href: string;
  /** Its `data-` attributes: name, value, name, value, …; unescaped; a bare attribute has the value ''. */
  readonly attributes: readonly string[];
  /** Its text, trimmed. */
  readonly text: string;
}

/** What a simple page is read for: meta fields, the base, and the links with their attributes. */
export interface HtmlDocument {
  /** The href of the first `base` element that has one. */
  readonly base: string | undefined;
  /** `meta` elements with name and content; the first of a name counts. */
  readonly meta: ReadonlyMap<string, string>;
  /** Title and headings, trimmed. */
  readonly headings: readonly string[];
  /** Digits of the comment `SERIAL n`, the last one. */
  readonly serial: string | undefined;
  readonly anchors: readonly Anchor[];
}

/** The parser's cost grows with the depth of open elements; a page has a handful. */
const MAX_OPEN_ELEMENTS = 256;
const MAX_ATTRIBUTES = 32;
/** Elements and attributes of the whole document, of whatever kind; a list of 600,000 projects has 1.8 million. */
const MAX_PARTS = 4_000_000;
const MAX_HEADINGS = 16;
const DATA_ATTRIBUTE = /^data-[a-z0-9_.-]+$/;
const SERIAL_COMMENT = /^\s*SERIAL\s+([0-9]+)\s*$/;
const HEADING_ELEMENTS = new Set(['title', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6']);

/** The text of an HTML body: UTF-8 unless the content type names another encoding that we know. */
export function decodeHtml(body: Buffer, contentType: string | undefined): string {
  const label = /;\s*charset="?([A-Za-z0-9_-]{1,40})/i.exec(contentType?.slice(0, 200) ?? '')?.[1]?.toLowerCase();
  if (label === undefined || label === 'utf-8' || label === 'utf8') return withoutByteOrderMark(body).toString('utf8');
  try {
    return new TextDecoder(label).decode(body);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return withoutByteOrderMark(body).toString('utf8');
  }
}

/** Reads a document, however broken. Throws InvalidPage when it goes beyond the limits, never for its markup. */
export function readHtml(text: string, maxAnchors: number): HtmlDocument {
  const meta = new Map<string, string>();
  const headings: string[] = [];
  const anchors: Anchor[] = [];
  let base: string | undefined;
  let serial: string | undefined;
  let openElements = 0;
  let parts = 0;
  const countPart = (): void => {
    parts += 1;
    if (parts > MAX_PARTS) throw new InvalidPage(`the HTML has more than ${MAX_PARTS} elements and attributes`);
  };

  let element = '';
  let href: string | undefined;
  let metaName = '';
  let metaContent: string | undefined;
  let attributes: string[] = [];
  let anchorOpen = false;
  let anchorText = '';
  let headingOpen = '';
  let headingText = '';

  const endAnchor = (): void => {
    if (anchorOpen && href !== undefined) anchors.push({ href, attributes, text: anchorText.trim() });
    if (anchors.length > maxAnchors) throw new InvalidPage(`the page has more than ${maxAnchors} links`);
    anchorOpen = false;
  };

  const parser = new Parser({
    onopentagname(name) {
      countPart();
      openElements += 1;
      if (openElements > MAX_OPEN_ELEMENTS)
        throw new InvalidPage(`the HTML nests deeper than ${MAX_OPEN_ELEMENTS} elements`);
      element = name;
      if (name === 'a') {
        endAnchor();
        anchorOpen = true;
        anchorText = '';
        href = undefined;
        attributes = [];
      } else if (name === 'meta') {
        metaName = '';
        metaContent = undefined;
      } else if (HEADING_ELEMENTS.has(name) && headings.length < MAX_HEADINGS) {
        headingOpen = name;
        headingText = '';
      }
    },
    onattribute(name, value) {
      countPart();
      if (element === 'a') {
        if (name === 'href') href ??= value;
        else if (isNewDataAttribute(name, attributes)) attributes.push(name, value);
      } else if (element === 'meta') {
        if (name === 'name') metaName = value.trim().toLowerCase();
        else if (name === 'content') metaContent = value;
      } else if (element === 'base' && name === 'href') {
        base ??= value;
      }
    },
    ontext(data) {
      if (anchorOpen) anchorText += data;
      if (headingOpen !== '') headingText += data;
    },
    onclosetag(name) {
      openElements -= 1;
      if (name === 'a') endAnchor();
      else if (name === 'meta' && metaContent !== undefined && !meta.has(metaName)) meta.set(metaName, metaContent);
      if (name === headingOpen) {
        headings.push(headingText.trim());
        headingOpen = '';
      }
    },
    oncomment(data) {
      serial = SERIAL_COMMENT.exec(data.length < 100 ? data : '')?.[1] ?? serial;
    },
  });
  parser.end(text);
  endAnchor();
  return { base, meta, headings, serial, anchors };
}

/** Of attributes with the same name the first counts, as in HTML. */
function isNewDataAttribute(name: string, attributes: readonly string[]): boolean {
  if (attributes.length >= 2 * MAX_ATTRIBUTES || !DATA_ATTRIBUTE.test(name)) return false;
  for (let i = 0; i < attributes.length; i += 2) if (attributes[i] === name) return false;
  return true;
}
