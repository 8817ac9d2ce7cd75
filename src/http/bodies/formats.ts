import type { ErrorCode } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';
import type { Place } from './body-lines.ts';
import { parseJson } from './json.ts';
import { findJsonLines } from './json-text.ts';
import { parseToml } from './toml.ts';
import { findTomlLines } from './toml-lines.ts';
import { findYamlLines, parseYaml } from './yaml.ts';

/** What bodies may be written in. */
export type FormatName = 'json' | 'yaml' | 'toml';

interface Format {
  /** What it is called in sentences. */
  title: string;
  /** The content types by which it comes, the proper one first. */
  types: readonly [string, ...string[]];
  invalid: ErrorCode;
  /** Bytes of a body, where that is less than what the route takes. */
  limit: number;
  /** The value of a text. Throws AppErrors. */
  parse(text: string): unknown;
  /** Finds the lines of places in a text that was parsed before. */
  findLines(text: string, root: Place): void;
}

export const FORMATS: Record<FormatName, Format> = {
  json: {
    title: 'JSON',
    types: ['application/json'],
    invalid: 'invalid_json',
    limit: LIMITS.submitBodyBytes,
    parse: parseJson,
    findLines: findJsonLines,
  },
  yaml: {
    title: 'YAML',
    // The first is registered (RFC 9512); the others are what it was called before.
    types: ['application/yaml', 'application/x-yaml', 'text/yaml', 'text/x-yaml', 'text/vnd.yaml'],
    invalid: 'invalid_yaml',
    limit: LIMITS.yamlBodyBytes,
    parse: parseYaml,
    findLines: findYamlLines,
  },
  toml: {
    title: 'TOML',
    types: ['application/toml', 'text/toml', 'text/x-toml'],
    invalid: 'invalid_toml',
    limit: LIMITS.tomlBodyBytes,
    parse: parseToml,
    findLines: findTomlLines,
  },
};
