// Package URLs of Python packages: pkg:pypi/<name>@<version>?<qualifiers> (ECMA-427).

export interface PythonPackage {
  readonly name: string;
  readonly version: string;
  /** One file of the version, where it is named. */
  readonly filename: string | undefined;
}

/** The package; undefined for one of another ecosystem, without a version, or malformed. */
export function pythonPackage(packageUrl: string): PythonPackage | undefined {
  const [, name, version, query] =
    /^pkg:(?:\/\/)?pypi\/([^@?#]+)@([^?#]+)(?:\?([^#]*))?(?:#.*)?$/i.exec(packageUrl) ?? [];
  if (name === undefined || version === undefined) return undefined;
  try {
    const filename = new URLSearchParams(query ?? '').get('file_name') ?? undefined;
    return { name: decodeURIComponent(name), version: decodeURIComponent(version), filename };
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}
