// The one use of cli-progress: how far a long command has come. A bar on a terminal, elsewhere a line now and then.

import type { WriteStream } from 'node:tty';
import progress from 'cli-progress';
import { bytesText, secondsText } from '../observe/figures.ts';

/** A bar on a terminal, a line now and then elsewhere. */
export interface Progress {
  /** More is to be done than was known; `bytes` where somebody knows how many come with the steps. */
  grow(steps: number, bytes?: number): void;
  /** So many steps are done, and so many bytes came with them. */
  advance(steps: number, bytes: number): void;
  /** Ends the bar, so that what is written next has a line of its own. */
  end(): void;
}

/** Between two plain lines: a CI log shows that we live and stays readable. */
const LINE_EVERY_MS = 5_000;
/** What a step takes beside its bytes: as long as reading so many of them. */
const STEP_BYTES = 64 * 1024;
const FORMAT = '{verb} {bar} {value}/{total}, {bytes}, {rate}/s, {left} left';

/** `verb` says what is being done: `fetching`. Plain lines go to `line`; `now` counts milliseconds. */
export function openProgress(
  verb: string,
  stream: Pick<WriteStream, 'isTTY'> & NodeJS.WritableStream,
  line: (text: string) => void,
  now: () => number = () => performance.now(),
): Progress {
  const startedAt = now();
  let [total, done, totalBytes, bytes] = [0, 0, 0, 0];
  const facts = () => {
    const seconds = (now() - startedAt) / 1000;
    // Without an idea of the bytes to come all steps are taken for equal.
    const [whole, part] =
      totalBytes === 0 ? [total, done] : [totalBytes + total * STEP_BYTES, bytes + done * STEP_BYTES];
    const left = part === 0 ? '?' : secondsText((Math.max(0, whole - part) * seconds) / part);
    return { verb, bytes: bytesText(bytes), rate: bytesText(Math.round(bytes / Math.max(seconds, 0.001))), left };
  };
  if (stream.isTTY) {
    const bar = new progress.SingleBar({ format: FORMAT, stream, clearOnComplete: true, hideCursor: false });
    return {
      grow(steps, more = 0) {
        total += steps;
        totalBytes += more;
        if (bar.isActive) bar.setTotal(total);
        else bar.start(total, done, facts());
      },
      advance(steps, more) {
        done += steps;
        bytes += more;
        bar.update(done, facts());
      },
      end: () => bar.stop(),
    };
  }
  let saidAt = startedAt;
  return {
    grow(steps, more = 0) {
      total += steps;
      totalBytes += more;
    },
    advance(steps, more) {
      done += steps;
      bytes += more;
      if (now() - saidAt < LINE_EVERY_MS) return;
      saidAt = now();
      const { rate, left } = facts();
      line(`${verb}: ${done} of ${total}, ${bytesText(bytes)}, ${rate}/s, ${left} left`);
    },
    end() {},
  };
}
