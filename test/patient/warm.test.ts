// `wheelkeep warm`: after it, everything that the lock files name is here.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { storedBlobs, temporaryFiles } from '../support/disk/stored-files.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { runCommand, startCommand } from '../support/proxy/command.ts';
import { get } from '../support/proxy/http-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { rate, status, wrongByte } from '../support/upstream/faults.ts';
import { hashedRequirements, uvLock } from '../support/upstream/lock-files.ts';
import { type Distribution, sdist, wheel } from '../support/upstream/wheels.ts';

/** Two projects: one with a wheel and an sdist, one with a wheel that is sent while it arrives. */
async function world(t: TestContext) {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const alpha = [wheel({ name: 'alpha', version: '1.0' }), sdist({ name: 'alpha', version: '1.0' })] as const;
  const beta = wheel({ name: 'beta-lib', version: '2.1', sizeBytes: 3_000_000 });
  index.add('alpha', ...alpha, wheel({ name: 'alpha', version: '0.9' }));
  index.add('beta-lib', beta);
  const dataDir = await temporaryFolder(t);
  const locked = { alpha, 'beta-lib': [beta] };
  await writeFile(join(dataDir, 'uv.lock'), uvLock(index, locked));
  return { index, dataDir, locked, files: [...alpha, beta] };
}

type World = Awaited<ReturnType<typeof world>>;

async function served(proxyUrl: string, { index }: World, file: Distribution) {
  const upstream = new URL(index.url);
  return get(`${proxyUrl}/files/http/${upstream.host}${index.pathOf(file)}`);
}

test('all that a lock file names is served when the index is gone, and no file beside that was fetched', async (t) => {
  const given = await world(t);
  const { code, stdout, stderr } = await runCommand(given, 'warm', 'uv.lock');
  assert.deepEqual([code, stderr], [0, '']);
  // Two pages, three files, the core metadata of two wheels.
  assert.match(stdout, /^uv\.lock: 7 of 7 items here, 3 MB\n {2}note: 3 files locked at 127\.0\.0\.1:\d+: .*\n$/);
  await given.index.down();
  const proxy = await startProxy({ upstreams: [given.index.url], dataDir: given.dataDir });
  t.after(() => proxy.close());
  for (const file of given.files) assert.equal((await served(proxy.url, given, file)).sha256, file.sha256);
  assert.equal((await get(`${proxy.url}/simple/alpha/`)).status, 200);
  assert.equal((await storedBlobs(given.dataDir)).length, 5);
  assert.deepEqual(await temporaryFiles(given.dataDir), []);
});

test('what is here already is not fetched again', async (t) => {
  const given = await world(t);
  await runCommand(given, 'warm', 'uv.lock');
  const before = given.index.fileRequests;
  const { code } = await runCommand(given, 'warm', 'uv.lock');
  assert.equal(code, 0);
  assert.equal(given.index.fileRequests, before);
});

test('hashes alone are enough: the pages tell which files they belong to', async (t) => {
  const given = await world(t);
  await writeFile(join(given.dataDir, 'requirements.txt'), hashedRequirements(given.locked));
  const { code, stdout } = await runCommand(given, 'warm', 'requirements.txt');
  assert.equal(code, 0);
  assert.match(stdout, /^requirements\.txt: 7 of 7 items here/);
});

test('a bare version means all of its files', async (t) => {
  const given = await world(t);
  const list = { bomFormat: 'CycloneDX', components: [{ purl: 'pkg:pypi/alpha@1' }] };
  await writeFile(join(given.dataDir, 'bom.json'), JSON.stringify(list));
  const { code, stdout } = await runCommand(given, 'warm', 'bom.json');
  assert.equal(code, 0);
  // Its page, its wheel with metadata, its sdist; not 0.9.
  assert.match(stdout, /^bom\.json: 4 of 4 items here/);
});

test('two versions of one project have one page', async (t) => {
  const given = await world(t);
  await writeFile(join(given.dataDir, 'both.txt'), 'alpha==1.0\nalpha==0.9\n');
  const { stdout } = await runCommand(given, 'warm', 'both.txt');
  // The page, two wheels with metadata, one sdist.
  assert.match(stdout, /^both\.txt: 6 of 6 items here/);
});

test('several lock files share what they have in common, and each is told of', async (t) => {
  const given = await world(t);
  await writeFile(join(given.dataDir, 'requirements.txt'), hashedRequirements(given.locked));
  const { stdout } = await runCommand(given, 'warm', 'uv.lock', 'requirements.txt');
  assert.match(stdout, /^uv\.lock: 7 of 7.*\n.*\nrequirements\.txt: 7 of 7/);
  // Metadata of a wheel that is here comes out of the wheel.
  assert.equal(given.index.fileRequests, 4);
});

test('files that --only does not name are left out', async (t) => {
  const given = await world(t);
  const { code, stdout } = await runCommand(given, 'warm', '--only', '*.tar.gz', '--only', 'beta_*', 'uv.lock');
  assert.equal(code, 0);
  assert.match(stdout, /^uv\.lock: 5 of 5 items here/);
  assert.equal((await storedBlobs(given.dataDir)).length, 3);
});

test('what could not be had is listed with its reason, the rest is here, and the exit code is 1', async (t) => {
  const given = await world(t);
  const { index, dataDir, locked } = given;
  const other = wheel({ name: 'alpha', version: '1.0', sizeBytes: 5_000 });
  const unlisted = wheel({ name: 'beta-lib', version: '2.2' });
  const gone = wheel({ name: 'gone', version: '1' });
  await writeFile(
    join(dataDir, 'uv.lock'),
    uvLock(index, { alpha: [other], 'beta-lib': [unlisted, ...locked['beta-lib']], gone: [gone] }),
  );
  const { code, stdout } = await runCommand(given, 'warm', 'uv.lock', '--json');
  assert.equal(code, 1);
  const { locks } = JSON.parse(stdout);
  const problems = Object.fromEntries(
    locks[0].missing.map(({ name, problem }: { name: string; problem: string }) => [name, problem]),
  );
  assert.match(problems.gone, /gone/);
  assert.deepEqual(
    { ...problems, gone: undefined },
    {
      [other.filename]: 'the page gives another hash than the lock',
      [unlisted.filename]: 'the page does not list it',
      [gone.filename]: 'its page cannot be had, so nobody knows where it is',
      gone: undefined,
    },
  );
  // The two pages, beta's wheel and its metadata.
  assert.equal(locks[0].wanted - locks[0].missing.length, 4);
});

test('a hash by an algorithm that the page does not give is held against the bytes themselves', async (t) => {
  const given = await world(t);
  const [{ filename, bytes }, { filename: other }] = given.locked.alpha;
  const right = createHash('sha512').update(bytes).digest('hex');
  const pylock = (name: string, hex: string) =>
    `lock-version = "1.0"\n[[packages]]\nname = "alpha"\nversion = "1.0"\nwheels = [{ name = "${name}", ` +
    `url = "https://files.example/${name}", hashes = { sha512 = "${hex}" } }]\n`;
  await writeFile(join(given.dataDir, 'pylock.toml'), pylock(filename, right));
  await writeFile(join(given.dataDir, 'pylock.wrong.toml'), pylock(other, right));
  const { code, stdout } = await runCommand(given, 'warm', '--json', 'pylock.toml', 'pylock.wrong.toml');
  assert.equal(code, 1);
  const missing = JSON.parse(stdout).locks.map((lock: { missing: { problem: string }[] }) =>
    lock.missing.map(({ problem }) => problem),
  );
  assert.deepEqual(missing, [[], ['its sha512 is not that of the lock']]);
});

for (const [what, fault] of [
  ['wrong bytes', wrongByte(2_000_000)],
  ['a refusal', status(500)],
] as const) {
  test(`${what} of a large file are told as a failure of that file alone, and nothing of it is kept`, async (t) => {
    const given = await world(t);
    given.index.fault(/beta_lib.*\.whl$/, fault);
    const { code, stdout, stderr } = await runCommand(given, 'warm', 'uv.lock');
    assert.deepEqual([code, stderr], [1, '']);
    assert.match(stdout, /6 of 7 items here/);
    assert.match(stdout, /\n {2}file beta_lib-2\.1-py3-none-any\.whl: \S/);
    assert.equal((await storedBlobs(given.dataDir)).length, 4);
  });
}

test('it works beside a running server, which then has everything', async (t) => {
  const given = await world(t);
  const proxy = await startProxy({ upstreams: [given.index.url], dataDir: given.dataDir });
  t.after(() => proxy.close());
  assert.equal((await get(`${proxy.url}/simple/alpha/`)).status, 200);
  assert.equal((await runCommand(given, 'warm', 'uv.lock')).code, 0);
  await given.index.down();
  for (const file of given.files) assert.equal((await served(proxy.url, given, file)).sha256, file.sha256);
});

test('Ctrl-C ends it at once with 130, and nothing half-done stays', async (t) => {
  const given = await world(t);
  given.index.fault(/beta_lib.*\.whl$/, rate(50_000));
  const running = startCommand(given, ['warm', 'uv.lock']);
  await given.index.waitForRequest(/beta_lib.*\.whl$/);
  running.process.kill('SIGINT');
  const { code, signal, stderr, durationMs } = await running.ended;
  assert.deepEqual([code, signal], [130, null]);
  assert.match(stderr, /stopped by SIGINT/);
  assert.ok(durationMs < 10_000);
  assert.deepEqual(await temporaryFiles(given.dataDir), []);
});

test('a lock file that is missing or of no known format is an error of the command line, in one sentence', async (t) => {
  const given = await world(t);
  await writeFile(join(given.dataDir, 'pyproject.toml'), '[project]\nname = "x"\n');
  for (const [name, problem] of [
    ['missing.lock', /missing\.lock: cannot be read \(ENOENT\)/],
    ['pyproject.toml', /pyproject\.toml: is none of the lock files/],
  ] as const) {
    const { code, stderr } = await runCommand(given, 'warm', name);
    assert.equal(code, 2);
    assert.match(stderr, problem);
    assert.equal(stderr.split('\n').length, 2);
  }
  assert.equal(given.index.log.entries.length, 0);
});

test('a quota too small for all of it is told, with exit code 1', async (t) => {
  const given = await world(t);
  const large = [1, 2, 3].map((n) => wheel({ name: `large-${n}`, version: '1', sizeBytes: 3_000_000 }));
  for (const [i, file] of large.entries()) given.index.add(`large-${i + 1}`, file);
  const locked = Object.fromEntries(large.map((file, i) => [`large-${i + 1}`, [file]]));
  await writeFile(join(given.dataDir, 'large.txt'), hashedRequirements(locked));
  const env = { WHEELKEEP_DISK_QUOTA: '5MB', WHEELKEEP_FREE_SPACE_FLOOR: '1MB' };
  const { code, stdout, stderr } = await runCommand({ ...given, env }, 'warm', 'large.txt');
  assert.equal(code, 1, `${stdout}${stderr}`);
  assert.match(stderr, /raise WHEELKEEP_DISK_QUOTA/);
});
