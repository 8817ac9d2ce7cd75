import { AppError, type Problem } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';
import { findUnsafeNumbers } from '../../domain/unsafe-numbers.ts';
import { giveWay } from '../../operations/give-way.ts';
import { inspectValue, refuseProblems, shorten, tooDeep, tooManyParts, unsafeNumber } from './body-text.ts';
import { countKeys, findDuplicateKeys, measureJson } from './json-text.ts';

/**
 * The value of a JSON text. Throws `invalid_json` with the place of the mistake, or `invalid_body` for a value that
 * would not arrive as it was meant (numbers that a double cannot hold, a key that stands twice, more than 64 levels) or
 * that is made of too many parts. Gives way between its passes, each of which is bounded by what was measured first.
 */
export async function parseJson(text: string): Promise<unknown> {
  if (text.trim() === '') throw new AppError('invalid_json', 'the body is empty; send a JSON object');
  const turn = giveWay();
  const keys = text.length > SEARCHED ? measure(text) : countKeys(text);
  await turn();
  const value = parse(text);
  await turn();
  const problems = findUnsafeNumbers(text).map(({ pointer, literal }) => unsafeNumber(pointer, literal));
  await turn();
  const found: Problem[] = [];
  const keysKept = inspectValue(value, found);
  problems.push(...found);
  // A value that was not looked at to its end has more keys than were counted.
  const isWhole = !found.some(({ code }) => code === 'too_deep');
  if (isWhole && keys > keysKept) {
    await turn();
    problems.push(...findDuplicateKeys(text));
  }
  refuseProblems(problems);
  await turn();
  return value;
}

/** The keys of a long text. Refuses what would take the engine seconds, in which nothing else would be answered. */
function measure(text: string): number {
  const most = { depth: HOPELESS_DEPTH, values: LIMITS.bodyValues, differentKeys: LIMITS.bodyKeys };
  const { depth, values, keys, differentKeys } = measureJson(text, most);
  if (depth > HOPELESS_DEPTH) refuseProblems([tooDeep('')]);
  refuseProblems(tooManyParts(values, differentKeys.size));
  return keys;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // What begins like neither of JSON's two is most likely one of the other formats.
    const hint = /^\s*[{[]/.test(text)
      ? ''
      : "; if it is YAML, send it with -H 'content-type: application/yaml'";
    throw new AppError('invalid_json', `the body is not JSON: ${describe(text, error as Error)}${hint}`);
  }
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
