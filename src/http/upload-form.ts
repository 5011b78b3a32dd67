// Reads on the way which projects an upload is for: the field `name` of the form that twine and uv send, and the name of
// the file in it. The body is neither kept nor changed, and whatever is no such form names no project.

import { projectOfFilename } from '../pages/distribution-name.ts';
import { type ProjectName, parseProjectName } from '../pages/project-name.ts';

/** RFC 2046 5.1.1 allows 70 characters. */
const LONGEST_BOUNDARY = 70;
/** The head of a part, and a value that is a name: longer ones are neither. */
const LONGEST_HEAD = 8 * 1024;
const LONGEST_NAME = 200;
/** An upload is for one project; a form that names more is none. */
const MOST_PROJECTS = 4;

const NOTHING = Buffer.alloc(0);
const END_OF_HEAD = Buffer.from('\r\n\r\n');

/** multipart/form-data (RFC 7578), read piece by piece. */
export class UploadForm {
  /** What the body has named so far. */
  readonly projects = new Set<ProjectName>();
  readonly #delimiter: Buffer | undefined;
  /** What could not be judged yet: at most a head, a name or a part of a delimiter. */
  #rest: Buffer = NOTHING;
  #state: 'content' | 'head' | 'name' = 'content';

  constructor(contentType: string | undefined) {
    const [, quoted, plain] =
      /^multipart\/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"]+)"|([^\s;"]+))/i.exec(contentType ?? '') ?? [];
    const boundary = quoted ?? plain;
    if (boundary === undefined || boundary.length > LONGEST_BOUNDARY) return;
    this.#delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1');
    // The first delimiter of a body has no line break before it.
    this.#rest = Buffer.from('\r\n');
  }

  /** Takes the next bytes of the body. */
  read(chunk: Buffer): void {
    if (this.#delimiter === undefined || this.projects.size >= MOST_PROJECTS) return;
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (this.#step(this.#delimiter)) {
      // Each step takes one part of the form.
    }
  }

  /** False when it takes more bytes to go on. */
  #step(delimiter: Buffer): boolean {
    switch (this.#state) {
      case 'content':
        return this.#skipContent(delimiter);
      case 'head':
        return this.#readHead();
      case 'name':
        return this.#readName(delimiter);
    }
  }

  #skipContent(delimiter: Buffer): boolean {
    const at = this.#rest.indexOf(delimiter);
    if (at < 0) {
      this.#rest = this.#rest.subarray(Math.max(0, this.#rest.length - delimiter.length + 1));
      return false;
    }
    this.#rest = this.#rest.subarray(at + delimiter.length);
    this.#state = 'head';
    return true;
  }

  #readHead(): boolean {
    const end = this.#rest.indexOf(END_OF_HEAD);
    if (end < 0) {
      if (this.#rest.length > LONGEST_HEAD) this.#state = 'content';
      return this.#state === 'content';
    }
    const head = this.#rest.subarray(0, end).toString('utf8');
    const disposition = /^content-disposition:[ \t]*form-data\b(.*)$/im.exec(head)?.[1] ?? '';
    const filename = /;\s*filename="?([^";]+)/i.exec(disposition)?.[1];
    this.#note(filename === undefined ? undefined : projectOfFilename(filename));
    const isName = filename === undefined && /;\s*name="?name"?\s*(?:;|$)/i.test(disposition);
    // A value may be empty: the line break before its delimiter is the one that ends the head.
    this.#rest = this.#rest.subarray(isName ? end + END_OF_HEAD.length : end + END_OF_HEAD.length - 2);
    this.#state = isName ? 'name' : 'content';
    return true;
  }

  #readName(delimiter: Buffer): boolean {
    const end = this.#rest.indexOf(delimiter);
    if (end < 0 && this.#rest.length <= LONGEST_NAME + delimiter.length) return false;
    if (end >= 0 && end <= LONGEST_NAME) this.#note(parseProjectName(this.#rest.toString('utf8', 0, end).trim())?.name);
    this.#state = 'content';
    return true;
  }

  #note(project: ProjectName | undefined): void {
    if (project !== undefined) this.projects.add(project);
  }
}
