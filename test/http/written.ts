import type { Answer, TestApi } from '../support/api.ts';

/** Sends a job as it is written. */
export function sendWritten(
  api: TestApi,
  type: string,
  body: string | Buffer,
  { path = '/v1/jobs/validate', headers = {} as Record<string, string> } = {},
): Promise<Answer> {
  return api.call('POST', path, { body, headers: { 'content-type': type, ...headers } });
}

export interface Mistake {
  body: string;
  status: number;
  code: string;
  /** Of the first entry in `errors`; null when it has none. */
  line: number | null;
  says: string | RegExp;
}

/** What an answer says of a mistake, in the form of the table that it is compared with. */
export function mistakeOf({ status, json }: Answer) {
  return { status, code: json.code, line: json.errors[0]?.line ?? null };
}
