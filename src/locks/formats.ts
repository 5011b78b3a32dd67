// The formats that can be read, as one sentence for help and errors; apart, so that showing it loads no parser.

export const LOCK_FORMATS =
  'uv.lock, pylock.toml, poetry.lock, pdm.lock, Pipfile.lock, pinned requirements with hashes, CycloneDX or SPDX (JSON)';
