import { type Static, Type } from 'typebox';
import type { Problem } from '../../domain/errors.ts';
import type { Json } from '../../domain/json.ts';
import { holdsExpression } from '../check-with.ts';

/** Bytes that Linux takes for one argument or one `NAME=value`, its ending NUL not counted. */
const ARGUMENT_BYTES = 128 * 1024 - 1;
const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const RESERVED = 'HOLDFAST_';

export const shellWith = Type.Object(
  {
    run: Type.String({
      minLength: 1,
      description:
        'the script, run by `bash -eo pipefail` (`sh -e` where there is no bash); ' +
        'it holds no expressions: values come in by `env`',
      'x-holdfast-literal': true,
    }),
    env: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), {
        description: 'environment variables; a value that is not a string is given as JSON',
      }),
    ),
    cwd: Type.Optional(
      Type.String({
        minLength: 1,
        description:
          "the folder to run in, absolute or from the server's own; " +
          'without it a temporary one, removed afterwards',
      }),
    ),
  },
  { additionalProperties: false },
);

export type ShellWith = Static<typeof shellWith>;

const USE_ENV =
  'give the value by `env` and read the variable: ' +
  '{"run": "echo \\"$NAME\\"", "env": {"NAME": "$' +
  '{{ … }}"}}';

/** What is wrong with an unrendered `with` beyond its schema. */
export function checkTemplate(template: Json, pointer: string): Problem[] {
  if (typeof template === 'string' && holdsExpression(template)) {
    const detail = `\`with\` may not be one expression, because \`run\` may hold none; ${USE_ENV}`;
    return [{ pointer, code: 'expression_in_run', detail }];
  }
  if (template === null || typeof template !== 'object' || Array.isArray(template)) return [];
  const { run, env } = template;
  const problems: Problem[] = [];
  if (typeof run === 'string' && holdsExpression(run)) {
    const detail = `\`run\` may not hold \`\${{ }}\`, since a value could then become a command; ${USE_ENV}`;
    problems.push({ pointer: `${pointer}/run`, code: 'expression_in_run', detail });
  }
  if (typeof run === 'string') problems.push(...checkRun(run, pointer));
  if (env !== undefined && env !== null && typeof env === 'object' && !Array.isArray(env)) {
    problems.push(...checkEnv(env, pointer));
  }
  return problems;
}

/** One argument of a command has a limit; a longer script would not start. */
export function checkRun(run: string, pointer: string): Problem[] {
  if (Buffer.byteLength(run) <= ARGUMENT_BYTES) return [];
  const detail = `\`run\` is longer than ${ARGUMENT_BYTES} bytes; keep the script in a file and call that`;
  return [{ pointer: `${pointer}/run`, code: 'too_large', detail }];
}

/** Judges names and sizes; a value's size shows only once it is rendered. */
export function checkEnv(env: Record<string, unknown>, pointer: string): Problem[] {
  const problems: Problem[] = [];
  for (const [name, value] of Object.entries(env)) {
    const at = `${pointer}/env/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    const shown = JSON.stringify(name.slice(0, 100));
    if (!ENV_NAME.test(name)) {
      const detail = `\`env\`: ${shown} is not a variable's name; use letters, digits and _, no digit first`;
      problems.push({ pointer: at, code: 'invalid_name', detail });
    } else if (name.startsWith(RESERVED)) {
      const detail = `\`env\`: ${shown} is reserved; names that start with ${RESERVED} are set by Holdfast`;
      problems.push({ pointer: at, code: 'reserved_name', detail });
    } else if (Buffer.byteLength(`${name}=${asText(value)}`) > ARGUMENT_BYTES) {
      const detail = `\`env\`: ${shown} holds more than the ${ARGUMENT_BYTES} bytes that a variable can`;
      problems.push({ pointer: at, code: 'too_large', detail });
    }
  }
  return problems;
}

/** The variables as a process gets them: a value that is not a string as JSON. */
export function renderEnv(env: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(Object.entries(env).map(([name, value]) => [name, asText(value)]));
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
