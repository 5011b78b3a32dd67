// Whether the data folder can be used, asked before anything is opened in it: the answer names the cure.

import { access, constants, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Problem } from './problems.ts';

/** The problem with `path`, or undefined. A folder that is not there yet counts by the nearest one that is. */
export async function dataFolderProblem(path: string, source: string): Promise<Problem | undefined> {
  let existing = path;
  for (;;) {
    try {
      const found = await stat(existing);
      if (!found.isDirectory()) return problem(`${existing} is not a folder`);
      await access(existing, constants.W_OK | constants.X_OK);
      return undefined;
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      // A disk that turned read-only still holds what installs need; what it does not hold can be passed on.
      if (code === 'EROFS' && existing === path) return undefined;
      if (code !== 'ENOENT' || existing === dirname(existing))
        return problem(`${existing} cannot be written (${code})`);
      existing = dirname(existing);
    }
  }

  function problem(what: string): Problem {
    const cure = `${what}; give it to the user that runs wheelkeep, or set WHEELKEEP_DATA_DIR to a folder that is writable`;
    return { key: 'data_dir', value: path, source, cure };
  }
}
