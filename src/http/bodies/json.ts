import { AppError } from '../../domain/errors.ts';
import { findUnsafeNumbers } from '../../domain/unsafe-numbers.ts';
import { inspectValue, refuseProblems, shorten, tooDeep, unsafeNumber } from './body-text.ts';
import { countKeys, findDuplicateKeys, isNestedDeeper } from './json-text.ts';

/**
 * The value of a JSON text. Throws `invalid_json` with the place of the mistake, or `invalid_body` for a value that
 * would not arrive as it was meant: numbers that a double cannot hold, a key that stands twice, more than 64 levels.
 */
export function parseJson(text: string): unknown {
  if (text.trim() === '') throw new AppError('invalid_json', 'the body is empty; send a JSON object');
  // The engine takes seconds for millions of brackets, in which nothing else would be answered.
  if (text.length > SEARCHED && isNestedDeeper(text, HOPELESS_DEPTH)) refuseProblems([tooDeep('')]);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // What begins like neither of JSON's two is most likely one of the other formats.
    const hint = /^\s*[{[]/.test(text)
      ? ''
      : "; if it is YAML, send it with -H 'content-type: application/yaml'";
    throw new AppError('invalid_json', `the body is not JSON: ${describe(text, error as Error)}${hint}`);
  }
  const problems = findUnsafeNumbers(text).map(({ pointer, literal }) => unsafeNumber(pointer, literal));
  const [before, keys] = [problems.length, inspectValue(value, problems)];
  // A value that was not looked at to its end has more keys than were counted.
  const isWhole = !problems.slice(before).some(({ code }) => code === 'too_deep');
  if (isWhole && countKeys(text) > keys) problems.push(...findDuplicateKeys(text));
  refuseProblems(problems);
  return value;
}

const SEARCHED = 65_536;
/** So deep that no place is worth finding, and yet far less than takes the engine any time. */
const HOPELESS_DEPTH = 10_000;

function describe(text: string, error: Error): string {
  const known = /position (\d+)/.exec(error.message)?.[1];
  const position = known === undefined ? findMistake(text) : Number(known);
  if (position === null) return shorten(error.message, 120);
  if (position >= text.length) return 'it ends too early; is a bracket or a quote missing?';
  const before = text.slice(0, position).split('\n');
  const place = `line ${before.length}, column ${(before.at(-1) as string).length + 1}`;
  return `unexpected ${JSON.stringify(String.fromCodePoint(text.codePointAt(position) as number))} at ${place}`;
}

// The engine does not always say where. A text that was cut before its mistake only ends too early; so the place can
// be searched by halving, which is worth it for texts that a person may have written.
function findMistake(text: string): number | null {
  if (endsEarly(text)) return text.length;
  if (text.length > SEARCHED) return null;
  let [fine, wrong] = [0, text.length];
  while (wrong - fine > 1) {
    const middle = (fine + wrong) >> 1;
    if (endsEarly(text.slice(0, middle))) fine = middle;
    else wrong = middle;
  }
  return fine;
}

function endsEarly(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch (error) {
    const { message } = error as Error;
    const position = /position (\d+)/.exec(message)?.[1];
    return message.includes('end of JSON input') || Number(position) >= text.length;
  }
}
