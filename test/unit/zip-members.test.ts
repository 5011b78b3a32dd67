// Members of zip files by the ends of their paths; core-metadata.test.ts has the damaged ones.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inMemory, zipContent, zipMembers } from '../../src/files/zip-members.ts';
import { zip } from '../support/upstream/archives.ts';

test('members are found by the end of their path, also by the whole of it, and read byte for byte', async () => {
  const paths = ['a.py', 'b/a.py', 'b/c.txt'];
  const archive = inMemory(zip(paths.map((path) => ({ path, bytes: Buffer.from(`it is ${path}`) }))));
  const found = async (ending: string) => (await zipMembers(archive, ending)).map(({ path }) => path);
  assert.deepEqual(await found('a.py'), ['a.py', 'b/a.py']);
  assert.deepEqual(await found('/a.py'), ['b/a.py']);
  assert.deepEqual(await found(''), paths);
  const [, second] = await zipMembers(archive, 'a.py');
  assert.equal((await zipContent(archive, second!)).toString(), 'it is b/a.py');
});
