// A claim of core metadata is taken back for an hour, each link by itself.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WithdrawnMetadata } from '../../src/index/withdrawn-metadata.ts';
import { parseProjectName } from '../../src/pages/project-name.ts';

const DEMO = parseProjectName('demo')!.name;
const HOUR = 3_600_000;

test('what happens to other links of the project does not renew the time of one', () => {
  let now = 1_000;
  const withdrawn = new WithdrawnMetadata({ now: () => now });
  const links = () => [...withdrawn.of('main', DEMO)];
  withdrawn.withdraw('main', DEMO, 'a');
  for (let i = 0; i < 5; i += 1) {
    now += HOUR / 6;
    withdrawn.withdraw('main', DEMO, `other ${i}`);
    if (i > 0) withdrawn.restore('main', DEMO, `other ${i - 1}`);
  }
  assert.deepEqual(links(), ['a', 'other 4']);
  now += HOUR / 6;
  assert.deepEqual(links(), ['other 4']);
  now += HOUR;
  assert.deepEqual(links(), []);
  withdrawn.restore('main', DEMO, 'other 4');
  withdrawn.withdraw('main', DEMO, 'a');
  assert.deepEqual(links(), ['a']);
  withdrawn.restore('main', DEMO, 'a');
  assert.deepEqual(links(), []);
  assert.deepEqual([...withdrawn.of('another', DEMO)], []);
});
