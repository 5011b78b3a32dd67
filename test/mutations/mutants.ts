// The mechanisms that the promises rest on, each with the change that breaks it and the tests that must notice.

export interface Mutant {
  /** What is broken. */
  readonly name: string;
  readonly file: string;
  /** Stands exactly once in the file. */
  readonly before: string;
  readonly after: string;
  /** Test files, at least one of which must fail. */
  readonly tests: readonly string[];
  /** Only tests of these files whose title matches, so that a mutant takes seconds. */
  readonly only?: string;
}

const scenario = (...names: readonly string[]) => names.map((name) => `test/scenario/${name}.test.ts`);

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'the stored copy stands in for an upstream in trouble',
    file: 'src/cache/read-through.ts',
    before: 'return trouble !== undefined && staleAllowed(',
    after: 'return false && staleAllowed(',
    tests: scenario('serves-stale'),
    only: 'answers 503|refuses connections|is asked about',
  },
  {
    name: 'a client waits for a revalidation no longer than its patience',
    file: 'src/cache/read-through.ts',
    before: 'const waitMs = known ? 0 : patienceMs -',
    after: 'const waitMs = 9_000 + (known ? 0 : patienceMs) -',
    tests: scenario('serves-stale'),
    only: 'swallows connections|never answers|silent',
  },
  {
    name: 'a client may insist once in five seconds only',
    file: 'src/cache/read-through.ts',
    before: 'const INSIST_INTERVAL_MS = 5_000;',
    after: 'const INSIST_INTERVAL_MS = 0;',
    tests: scenario('removed-files'),
    only: 'once in five seconds',
  },
  {
    name: 'readers of one key share one flight',
    file: 'src/cache/flights.ts',
    before: 'if (running !== undefined && !alone) {',
    after: 'if (running === undefined && alone) {',
    tests: scenario('collapses-requests'),
  },
  {
    name: 'flights are bounded',
    file: 'src/cache/flights.ts',
    before: 'const MAX_FLIGHTS = 2_000;',
    after: 'const MAX_FLIGHTS = 2_000_000;',
    tests: scenario('overload'),
    only: 'too much is being fetched',
  },
  {
    name: 'a key that failed is left alone for a while',
    file: 'src/cache/retry-schedule.ts',
    before: 'return retry.failedAt <= now && now < retry.at;',
    after: 'return now > retry.at && now < retry.at;',
    tests: scenario('serves-stale'),
    only: 'is asked about a page 5 s after',
  },
  {
    name: 'bytes are held against the hash that the page gives',
    file: 'src/cache/body-hash.ts',
    before: "? 'right' : 'wrong' };",
    after: "? 'right' : 'right' };",
    tests: scenario('verifies-files'),
  },
  {
    name: 'the end of a file is held back until its hash is right',
    file: 'src/cache/growing-body.ts',
    before: 'announced - this.#options.holdBackBytes',
    after: 'announced - 0 * this.#options.holdBackBytes',
    tests: scenario('streams-files'),
    only: 'held back|stalls before',
  },
  {
    name: 'a stored file is hashed when a process opens it first',
    file: 'src/cache/disk-blobs.ts',
    before: 'file.verified = found === digest;',
    after: "file.verified = found !== 'x';",
    tests: scenario('heals'),
  },
  {
    name: 'files leave before the disk is full',
    file: 'src/cache/disk-space.ts',
    before: 'const HIGH_WATERMARK = 0.9;',
    after: 'const HIGH_WATERMARK = 900;',
    tests: scenario('keeps-quota'),
    only: 'several times the quota',
  },
  {
    name: 'a removal has to be claimed again',
    file: 'src/index/page-judge.ts',
    before: "if (candidate.status !== 200) return unlessConfirmed('missing', doubt, now, CONFIRM_AFTER_MS, 2);",
    after: "if (candidate.status !== 200) return { kind: 'replace' };",
    tests: scenario('removal'),
  },
  {
    name: 'an older page does not replace a newer one',
    file: 'src/index/page-judge.ts',
    before: 'return before !== undefined && (after === undefined || after < before);',
    after: 'return before !== undefined && after === -1;',
    tests: scenario('removal'),
  },
  {
    name: 'a blank page has to be claimed again',
    file: 'src/index/page-judge.ts',
    before: 'if (after.files === 0 && before.files > 0 && !risen) {',
    after: 'if (after.files < 0 && before.files > 0 && !risen) {',
    tests: scenario('removal'),
  },
  {
    name: 'a failure of upstream is never taken for "there is none"',
    file: 'src/index/page-profile.ts',
    before: "return status === 451 ? 'removed' : 'failure';",
    after: "return status === 451 ? 'removed' : 'missing';",
    tests: ['test/unit/page-profile.test.ts'],
  },
  {
    name: 'the files of a quarantined project are refused',
    file: 'src/index/quarantine.ts',
    before: "if (facts?.status !== 'quarantined') return;",
    after: "if (facts?.status !== 'nothing') return;",
    tests: scenario('security-quarantine'),
  },
  {
    name: 'a page is limited as it is decoded',
    file: 'src/index/page-reader.ts',
    before: 'body: decoded(source, this.#limits.maxDecodedBytes),',
    after: 'body: decoded(source, 1_000 * this.#limits.maxDecodedBytes),',
    tests: scenario('security-wire'),
    only: 'larger than the limit',
  },
  {
    name: 'an upstream that fails is left alone until its probe',
    file: 'src/upstream/breaker.ts',
    before: 'if (now < this.nextTry) return undefined;',
    after: 'if (now < 0) return undefined;',
    tests: ['test/unit/breaker.test.ts', ...scenario('upstream-index')],
  },
  {
    name: 'a silent upstream is asked a second time beside the first',
    file: 'src/upstream/hedge-budget.ts',
    before: 'if (this.#tokens < 1) return false;',
    after: 'if (this.#tokens < 1e9) return false;',
    tests: scenario('upstream-index'),
    only: 'stays silent',
  },
  {
    name: 'listed URLs lead to the public internet or nowhere',
    file: 'src/upstream/egress-guard.ts',
    before: "if (family === 4) return !refused4.check(address, 'ipv4');",
    after: 'if (family === 4) return true;',
    tests: scenario('upstream-guard'),
  },
  {
    name: 'redirects lead only where they may',
    file: 'src/upstream/redirects.ts',
    before: 'if (!mayRedirect(from, to)) throw',
    after: 'if (visited.length > 99) throw',
    tests: ['test/unit/redirects.test.ts', ...scenario('upstream-index')],
  },
  {
    name: 'credentials go to their own origin only',
    file: 'src/upstream/credentials.ts',
    before: 'base.origin === url.origin',
    after: 'base.protocol === url.protocol',
    tests: ['test/unit/upstream-credentials.test.ts', ...scenario('several-indexes')],
  },
  {
    name: 'a body that is given up ends nothing but its connection',
    file: 'src/upstream/connection.ts',
    before: "this.#socket.destroy(new Error('the exchange was given up'));",
    after: 'this.#socket.destroy();',
    tests: scenario('security-wire'),
    only: 'dropped without harm',
  },
  {
    name: 'a request of doubtful end is refused',
    file: 'src/http/server.ts',
    before: "return coding !== undefined && coding.toLowerCase() !== 'chunked';",
    after: "return coding === 'no coding at all';",
    tests: scenario('security-wire'),
    only: 'matter of opinion',
  },
  {
    name: 'clients who do not read get no large buffers',
    file: 'src/http/send-body.ts',
    before: 'const MAX_LENT = 96;',
    after: 'const MAX_LENT = 96_000;',
    tests: scenario('overload'),
    only: 'do not read a hot',
  },
];
