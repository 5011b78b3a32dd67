// A reporter beside the readable one: what was not run, by reason, once all is over. With WHEELKEEP_TEST_REQUIRE_ALL=1,
// as .ci/run sets it, that fails the run: what a machine lacks (Redis, an installer) must be installed there.

import type { TestEvent } from 'node:test/reporters';

export default async function* skips(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const required = process.env.WHEELKEEP_TEST_REQUIRE_ALL === '1';
  const notRun = new Map<string, string[]>();
  for await (const { type, data } of events) {
    if (type !== 'test:pass') continue;
    const reason = data.skip ?? data.todo;
    if (reason === undefined || reason === false) continue;
    const text = reason === true ? 'no reason is given' : reason;
    notRun.set(text, [...(notRun.get(text) ?? []), data.name]);
  }
  if (required && notRun.size > 0) process.exitCode = 1;
  for (const [reason, names] of notRun) {
    const what = required || names.length === 1 ? names.map((name) => `"${name}"`).join(', ') : `${names.length} tests`;
    yield `not run, ${reason}: ${what}\n`;
  }
}
