import { AppError, type ErrorCode, type Problem } from '../../domain/errors.ts';
import { lineAt, placesOf } from './body-lines.ts';
import { FORMATS, type FormatName } from './formats.ts';

/** What is asked of a text: its value, or the lines of pointers into it. */
export interface Question {
  format: FormatName;
  text: string;
  /** Absent: the value is asked for. */
  pointers?: readonly string[];
}

/** What came of it; plain data, so that it can be handed from thread to thread. */
export type Reply =
  | { ok: true; value: unknown }
  | { ok: false; code: ErrorCode; detail: string; errors: Problem[] };

/** Answers a question about a text. What is wrong with the text is an answer as well. */
export async function answerQuestion({ format, text, pointers }: Question): Promise<Reply> {
  try {
    if (pointers === undefined) return { ok: true, value: await FORMATS[format].parse(text) };
    const places = placesOf(pointers);
    await FORMATS[format].findLines(text, places);
    return { ok: true, value: pointers.map((pointer) => lineAt(places, pointer)) };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return { ok: false, code: error.code, detail: error.message, errors: error.errors };
  }
}
