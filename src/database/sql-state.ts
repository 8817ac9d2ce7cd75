/** The SQLSTATE of a database error; undefined when it is something else. */
export function sqlState(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  // No SQLSTATE begins with E, but EPIPE and its like have five letters too.
  return typeof code === 'string' && /^(?!E)[0-9A-Z]{5}$/.test(code) ? code : undefined;
}
