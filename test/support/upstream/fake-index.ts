// FakeIndex: the upstream of our tests. A real server of the simple repository API, with the fields that the public
// index sends (protocol.md section 3), a log of what it was asked, and every fault of faults.ts on demand.

import type { RequestHead } from '../../../src/core/http-message.ts';
import { type Answer, FakeServer, type FakeServerOptions } from './fake-server.ts';
import { type Fault, FaultPlan, type FaultScope } from './fault-plan.ts';
import { fileAnswer, type PageManners, PUBLIC_MANNERS, pageAnswer, plain } from './index-answers.ts';
import { type LoggedRequest, type PathPattern, RequestLog } from './request-log.ts';
import { type ListedFile, type ListedProject, listHtml, listJson, projectHtml, projectJson } from './simple-pages.ts';
import type { Distribution } from './wheels.ts';

export interface FakeIndexOptions extends Pick<FakeServerOptions, 'tls' | 'addresses'>, Partial<PageManners> {
  /** Files lie on a second origin, as they do at the public index. */
  readonly separateFiles?: boolean;
}

/** How a page lists a file, where that differs from the plain truth. */
export type Listing = Partial<Omit<ListedFile, 'distribution'>>;

export class FakeIndex {
  /** All requests to pages and files, in order. */
  readonly log = new RequestLog();
  readonly #plan = new FaultPlan();
  readonly #manners: PageManners;
  readonly #separateFiles: boolean;
  readonly #projects = new Map<string, ListedProject>();
  /** What lies on the file host, by path: files and their core metadata stay when a page no longer lists them. */
  readonly #stored = new Map<string, Buffer>();
  #serial = 1000;
  #lastModified = new Date();
  #pages!: FakeServer;
  #files!: FakeServer;

  private constructor(options: FakeIndexOptions) {
    const { separateFiles = false, tls: _tls, addresses: _addresses, ...manners } = options;
    this.#separateFiles = separateFiles;
    this.#manners = { ...PUBLIC_MANNERS, ...manners };
  }

  static async start(options: FakeIndexOptions = {}): Promise<FakeIndex> {
    const index = new FakeIndex(options);
    const shared: FakeServerOptions = {
      respond: (request) => index.#respond(request),
      plan: index.#plan,
      log: index.log,
      ...(options.tls === undefined ? {} : { tls: options.tls }),
      ...(options.addresses === undefined ? {} : { addresses: options.addresses }),
    };
    index.#pages = await FakeServer.start(shared);
    index.#files = index.#separateFiles ? await FakeServer.start(shared) : index.#pages;
    return index;
  }

  /** The base of the simple API, for an upstream's configuration. */
  get url(): string {
    return `${this.#pages.origin}/simple/`;
  }

  /** The server of the pages, to be taken down or cut by itself. */
  get pages(): FakeServer {
    return this.#pages;
  }

  /** The server of the files: the same one unless `separateFiles`. */
  get files(): FakeServer {
    return this.#files;
  }

  get openConnections(): number {
    const servers = new Set([this.#pages, this.#files]);
    return [...servers].reduce((sum, server) => sum + server.openConnections, 0);
  }

  /** Publishes files of a project (created by its first one) and raises the serial. */
  add(name: string, ...distributions: readonly Distribution[]): void {
    for (const distribution of distributions) this.addListed(name, distribution, {});
  }

  /** Publishes one file with a listing of its own: yanked, without hashes, with a wrong size, a signed URL, … */
  addListed(name: string, distribution: Distribution, listing: Listing): ListedFile {
    const path = filePath(distribution);
    this.#stored.set(path, distribution.bytes);
    // An index offers core metadata of wheels; of sdists only where PEP 643 holds, which no installer here relies on.
    const isWheel = distribution.filename.endsWith('.whl');
    if (isWheel) this.#stored.set(`${path}.metadata`, distribution.metadata);
    const file: ListedFile = {
      distribution,
      url: `${this.#separateFiles ? this.#files.origin : '../..'}${encodedPath(path)}`,
      hashes: { sha256: distribution.sha256 },
      size: distribution.bytes.length,
      uploadTime: '2026-01-02T03:04:05.678901Z',
      yanked: false,
      coreMetadata: isWheel ? { sha256: distribution.metadataSha256 } : false,
      extra: {},
      ...listing,
    };
    const files = this.#projects.get(normalized(name))?.files ?? [];
    this.#change(name, { files: [...files, file] });
    return file;
  }

  yank(name: string, filename: string, reason: boolean | string = true): void {
    const project = this.#project(name);
    this.#change(name, {
      files: project.files.map((file) =>
        file.distribution.filename === filename ? { ...file, yanked: reason } : file,
      ),
    });
  }

  setStatus(name: string, status: ListedProject['status']): void {
    this.#change(name, { status, ...(status === 'quarantined' ? { files: [] } : {}) });
  }

  /** Takes a whole project, or one of its files, off the pages; the bytes stay on the file host. */
  remove(name: string, filename?: string): void {
    const project = this.#project(name);
    if (filename === undefined) this.#projects.delete(project.name);
    else this.#change(name, { files: project.files.filter((file) => file.distribution.filename !== filename) });
  }

  /** Takes a whole project with its bytes away, and the record of what was asked: for plays that last. */
  forget(name: string): void {
    for (const { distribution } of this.#project(name).files) {
      this.#stored.delete(filePath(distribution));
      this.#stored.delete(`${filePath(distribution)}.metadata`);
    }
    this.remove(name);
    this.log.clear();
  }

  /** Another serial and ETag for the same files, as after a change that a page does not show. */
  bumpSerial(name: string, by = 1): void {
    this.#serial += by - 1;
    this.#change(name, {});
  }

  serialOf(name: string): number {
    return this.#project(name).serial;
  }

  /** The path of a file on the file host, as requests for it are logged. */
  pathOf(distribution: Distribution): string {
    return encodedPath(filePath(distribution));
  }

  /** See FaultPlan.set; holds for pages and files alike. */
  fault(pattern: PathPattern, fault: Fault, scope?: FaultScope): () => void {
    return this.#plan.set(pattern, fault, scope);
  }

  clearFaults(): void {
    this.#plan.clear();
  }

  /** How many requests came for `pattern`, or at all. */
  requests(pattern?: PathPattern): number {
    return this.log.count(pattern);
  }

  /** How many requests came for distribution files and their metadata. */
  get fileRequests(): number {
    return this.log.count(/^\/packages\//);
  }

  waitFor(condition: (index: FakeIndex) => boolean, timeoutMs?: number): Promise<void> {
    return this.log.waitFor(() => condition(this), timeoutMs);
  }

  /** Resolves when a request for `pattern` has arrived, or had already. */
  async waitForRequest(pattern: PathPattern, timeoutMs?: number): Promise<LoggedRequest> {
    await this.log.waitFor(() => this.log.count(pattern) > 0, timeoutMs);
    return this.log.entries.findLast(({ path }) =>
      typeof pattern === 'string' ? path === pattern : pattern.test(path),
    )!;
  }

  async down(): Promise<void> {
    await Promise.all([this.#pages.down(), this.#files === this.#pages ? undefined : this.#files.down()]);
  }

  async up(): Promise<void> {
    await this.#pages.up();
    await this.#files.up();
  }

  async close(): Promise<void> {
    await this.down();
  }

  #project(name: string): ListedProject {
    const project = this.#projects.get(normalized(name));
    if (project === undefined) throw new Error(`the fake index has no project ${name}`);
    return project;
  }

  #change(name: string, change: Partial<ListedProject>): void {
    this.#serial += 1;
    this.#lastModified = new Date();
    const key = normalized(name);
    const held = this.#projects.get(key) ?? { name: key, files: [], status: 'active' };
    this.#projects.set(key, { ...held, ...change, serial: this.#serial, lastModified: this.#lastModified });
  }

  #respond(request: RequestHead): Answer {
    const [path = ''] = request.url.split('?');
    if (request.method !== 'GET' && request.method !== 'HEAD') return plain(405, 'method not allowed');
    if (path === '/simple/') {
      const projects = [...this.#projects.values()].filter(({ status }) => status !== 'quarantined');
      return pageAnswer(request, this.#manners, {
        serial: this.#serial,
        lastModified: this.#lastModified,
        render: (format) => (format === 'json' ? listJson(projects, this.#serial) : listHtml(projects, this.#serial)),
      });
    }
    const [, name] = /^\/simple\/([^/]+)\/?$/.exec(path) ?? [];
    if (name !== undefined) return this.#projectPage(request, path, name);
    const bytes = this.#stored.get(decodedPath(path));
    return bytes === undefined ? plain(404, 'not found') : fileAnswer(request, path, bytes);
  }

  #projectPage(request: RequestHead, path: string, name: string): Answer {
    const right = `/simple/${normalized(name)}/`;
    if (path !== right) return { status: 301, fields: ['location', right], body: Buffer.alloc(0) };
    const project = this.#projects.get(normalized(name));
    if (project === undefined) return plain(404, '404 Not Found');
    const shown = this.#manners.serials ? project : { ...project, serial: undefined };
    return pageAnswer(request, this.#manners, {
      ...project,
      render: (format) => (format === 'json' ? projectJson(shown) : projectHtml(shown)),
    });
  }
}

function filePath({ sha256: digest, filename }: Distribution): string {
  return `/packages/${digest.slice(0, 2)}/${digest.slice(2, 4)}/${digest.slice(4)}/${filename}`;
}

/** As the public index writes it: "+" stays, "!" stays, what RFC 3986 forbids is escaped. */
function encodedPath(path: string): string {
  return encodeURI(path);
}

function decodedPath(path: string): string {
  return decodeURIComponent(path);
}

function normalized(name: string): string {
  return name.toLowerCase().replace(/[-_.]+/g, '-');
}
