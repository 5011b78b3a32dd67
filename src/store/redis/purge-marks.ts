// Until when what is known of a project was forgotten by an operator's order. Nothing that another node stored before
// that is taken over from Redis, whoever stored it and whether or not that node has heard of the order (pure).

/** An order to purge a project, or everything (`undefined`), until an instant in milliseconds since the epoch. */
export interface PurgeOrder {
  /** Everything without it. */
  readonly project: string | undefined;
  /** What was validated until then is forgotten; milliseconds since the epoch. */
  readonly until: number;
  /** True: copies stay, and are validated before they are used again, for the project was written to. */
  readonly keep?: boolean;
}

/** Remembers purges, so that older values in Redis are not taken over. */
export class PurgeMarks {
  readonly #projectOf: (key: string) => string | undefined;
  readonly #isPurgeable: (key: string) => boolean;
  readonly #projects = new Map<string, number>();
  #everything = Number.NEGATIVE_INFINITY;

  constructor(keys: {
    readonly projectOf: (key: string) => string | undefined;
    readonly isPurgeable: (key: string) => boolean;
  }) {
    this.#projectOf = keys.projectOf;
    this.#isPurgeable = keys.isPurgeable;
  }

  note({ project, until }: PurgeOrder): void {
    if (project === undefined) this.#everything = Math.max(this.#everything, until);
    else this.#projects.set(project, Math.max(this.#projects.get(project) ?? until, until));
  }

  /** Whether what was validated at that time is forgotten since. */
  isPurged(key: string, validatedAt: number): boolean {
    if (validatedAt <= this.#everything) return this.#isPurgeable(key);
    if (this.#projects.size === 0) return false;
    const project = this.#projectOf(key);
    const until = project === undefined ? undefined : this.#projects.get(project);
    return until !== undefined && validatedAt <= until;
  }
}
