// In what installers differ when they choose what to install (pip 26, uv 0.13, Poetry 2), as one value each.

export interface InstallerRules {
  readonly name: 'pip' | 'uv' | 'poetry';
  /** True: a project whose page cannot be had is one without files, and something older may be taken. */
  readonly goesAroundMissingPages: boolean;
  /** True: where one requirement has hashes, all must have them, also what they lead to. */
  readonly hashesBindAll: boolean;
  /** Yanked files (PEP 592): for whoever pins them, or only for what the user himself pins. */
  readonly yankedFor: 'any-pin' | 'own-pin';
  /** Pre-releases without being asked: where nothing else will do, or only of projects that have nothing else. */
  readonly prereleases: 'where-nothing-else-will-do' | 'where-nothing-else-is';
  /** True: what a source distribution requires is read of a wheel of the same version, though that is for elsewhere. */
  readonly readsForeignWheels: boolean;
  /** True: it also asks for what only other platforms require. */
  readonly looksElsewhere: boolean;
  /** True: of what is still open, upper limits come first, then what the user named first. */
  readonly prefersLimits: boolean;
}

export const PIP: InstallerRules = {
  name: 'pip',
  goesAroundMissingPages: true,
  hashesBindAll: true,
  yankedFor: 'any-pin',
  prereleases: 'where-nothing-else-will-do',
  readsForeignWheels: false,
  looksElsewhere: false,
  prefersLimits: true,
};

export const UV: InstallerRules = {
  name: 'uv',
  goesAroundMissingPages: false,
  hashesBindAll: false,
  yankedFor: 'own-pin',
  prereleases: 'where-nothing-else-is',
  readsForeignWheels: true,
  looksElsewhere: false,
  prefersLimits: false,
};

/** How Poetry builds: an environment is resolved for all platforms, and pages that are missing are an error. */
export const POETRY: InstallerRules = { ...UV, name: 'poetry', prereleases: PIP.prereleases, looksElsewhere: true };
