import type { ErrorCode } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';
import type { Place } from './body-lines.ts';

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
  /** The value of a text. Rejects with AppErrors. */
  parse(text: string): Promise<unknown>;
  /** Finds the lines of places in a text that was parsed before. */
  findLines(text: string, root: Place): Promise<void>;
}

// Each reader is loaded when it is first needed: what is read in a thread of its own waits for no other format's.

export const FORMATS: Record<FormatName, Format> = {
  json: {
    title: 'JSON',
    types: ['application/json'],
    invalid: 'invalid_json',
    limit: LIMITS.submitBodyBytes,
    parse: async (text) => (await import('./json.ts')).parseJson(text),
    findLines: async (text, root) => (await import('./json-text.ts')).findJsonLines(text, root),
  },
  yaml: {
    title: 'YAML',
    // The first is registered (RFC 9512); the others are what it was called before.
    types: ['application/yaml', 'application/x-yaml', 'text/yaml', 'text/x-yaml', 'text/vnd.yaml'],
    invalid: 'invalid_yaml',
    limit: LIMITS.yamlBodyBytes,
    parse: async (text) => (await import('./yaml.ts')).parseYaml(text),
    findLines: async (text, root) => (await import('./yaml.ts')).findYamlLines(text, root),
  },
  toml: {
    title: 'TOML',
    types: ['application/toml', 'text/toml', 'text/x-toml'],
    invalid: 'invalid_toml',
    limit: LIMITS.tomlBodyBytes,
    parse: async (text) => (await import('./toml.ts')).parseToml(text),
    findLines: async (text, root) => (await import('./toml-lines.ts')).findTomlLines(text, root),
  },
};
