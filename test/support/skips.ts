// A reporter beside the readable one. With WHEELKEEP_TEST_REQUIRE_ALL=1, as .ci/run sets it, a test that is skipped or
// still to be done fails the run: what a machine lacks (Redis, an installer) must be installed there, not passed over.

import type { TestEvent } from 'node:test/reporters';

export default async function* noSkips(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of events) {
    if (process.env.WHEELKEEP_TEST_REQUIRE_ALL !== '1' || event.type !== 'test:pass') continue;
    const { name, file, skip, todo } = event.data;
    const reason = skip ?? todo;
    if (reason === undefined || reason === false) continue;
    process.exitCode = 1;
    yield `not run, and all must run: ${name} (${file ?? 'unknown file'})${reason === true ? '' : `: ${reason}`}\n`;
  }
}
