/** What both a client and a worker take; see `checkOptions`. */
export const SERVER_OPTIONS = {
  server: 'the URL of a server, such as http://127.0.0.1:3000, or a list of several',
  headers: '',
  fetch: '',
};

/**
 * Throws a `TypeError` that says which option is missing or unknown. `known`: every option, by its name what it is if
 * it must not be missing, else an empty text.
 */
export function checkOptions(given: object | undefined, known: Record<string, string>): void {
  const options: Record<string, unknown> = { ...given };
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(known, name)) continue;
    const near = Object.keys(known).find((one) => isNear(name.toLowerCase(), one.toLowerCase()));
    const hint =
      near === undefined ? `there are ${Object.keys(known).join(', ')}` : `did you mean \`${near}\`?`;
    throw new TypeError(`\`${name}\` is not an option; ${hint}`);
  }
  for (const [name, what] of Object.entries(known)) {
    const value = options[name];
    if (what !== '' && (value === undefined || value === null))
      throw new TypeError(`\`${name}\` is missing: ${what}`);
  }
}

/** Whether a letter more, less, changed or swapped, twice in long words, makes one into the other. */
function isNear(a: string, b: string, edits = b.length > 5 ? 2 : 1): boolean {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at += 1;
  const [restA, restB] = [a.slice(at), b.slice(at)];
  if (restA === restB) return true;
  if (edits === 0) return false;
  const isSwapped = restA.length > 1 && restA[0] === restB[1] && restA[1] === restB[0];
  return (
    isNear(restA.slice(1), restB, edits - 1) ||
    isNear(restA, restB.slice(1), edits - 1) ||
    isNear(restA.slice(1), restB.slice(1), edits - 1) ||
    (isSwapped && isNear(restA.slice(2), restB.slice(2), edits - 1))
  );
}
