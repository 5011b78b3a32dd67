// Fills a data folder as a long life would: one tiny blob and one entry a file.

import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { parseDigest } from '../../src/core/digest.ts';
import { encodeRecord } from '../../src/store/entries/record-codec.ts';
import { openDatabase, prepareDatabasePath } from '../../src/store/entries/sqlite.ts';

/** Between two looks at the clock, and one transaction. */
const BATCH = 5_000;

/** Makes up to `count` stored files; resolves with how many there were time for. */
export async function fillStore(dataDir: string, count: number, limitMs: number): Promise<number> {
  const deadline = performance.now() + limitMs;
  const folder = join(dataDir, 'blobs', 'v1');
  for (let n = 0; n < 256; n++) {
    mkdirSync(join(folder, n.toString(16).padStart(2, '0')), { recursive: true, mode: 0o700 });
  }
  const { connection } = openDatabase(prepareDatabasePath(dataDir));
  connection.exec('PRAGMA synchronous = OFF');
  const insert = connection.prepare('INSERT INTO entries (key, text, checksum, writer) VALUES (?, ?, ?, 0)');
  let made = 0;
  while (made < count && performance.now() < deadline) {
    connection.exec('BEGIN');
    for (const end = Math.min(count, made + BATCH); made < end; made++) {
      const bytes = Buffer.from(`stored file ${made}`);
      const digest = createHash('sha256').update(bytes).digest('hex');
      writeFileSync(join(folder, digest.slice(0, 2), digest), bytes, { mode: 0o600 });
      const key = `file:default@0000000000000000:https://files.example/packages/${digest}/stored-${made}-py3-none-any.whl`;
      const text = entryText(digest, bytes.length);
      insert.run(key, text, crc32(text, crc32(key)));
    }
    connection.exec('COMMIT');
    await nextTurn();
  }
  connection.close();
  return made;
}

function entryText(sha256: string, sizeBytes: number): string {
  const now = Date.now();
  return encodeRecord({
    format: 1,
    variants: [
      {
        status: 200,
        fields: ['cache-control', 'max-age=31536000, immutable'],
        url: 'https://files.example/',
        requestTime: now,
        responseTime: now,
        varying: [],
        source: 'https://files.example',
        body: { digest: parseDigest(sha256)!, sizeBytes, verified: true },
        facts: null,
      },
    ],
  });
}
