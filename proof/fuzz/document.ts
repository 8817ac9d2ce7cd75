import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import type { OpenapiDocument } from '../../test/support/openapi.ts';

/** A JSON schema as the document holds it. */
export interface Schema {
  $ref?: string;
  type?: string | string[];
  enum?: unknown[];
  anyOf?: Schema[];
  properties?: Record<string, Schema>;
  patternProperties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  items?: Schema;
  minItems?: number;
  maxItems?: number;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  pattern?: string;
  format?: string;
  examples?: unknown[];
  default?: unknown;
}

export interface Parameter {
  name: string;
  in: 'path' | 'query' | 'header';
  required: boolean;
  schema: Schema;
}

export interface Response {
  headers?: Record<string, unknown>;
  content?: Record<string, { schema?: Schema; examples?: Record<string, unknown> }>;
}

/** One call that the document describes. */
export interface Operation {
  id: string;
  method: string;
  path: string;
  parameters: Parameter[];
  body: { required: boolean; content: Record<string, { schema: Schema }> } | null;
  responses: Record<string, Response>;
}

/** Everything that the document of a server says, ready to make requests from. */
export interface Described {
  document: OpenapiDocument;
  operations: Operation[];
  /** Follows a reference. */
  resolve(schema: Schema): Schema;
  /** Whether a JSON body is what the document says the operation takes. */
  takes(operation: Operation, body: unknown): boolean;
}

type Item = Record<
  string,
  { operationId: string; parameters?: Parameter[]; requestBody?: Operation['body'] }
>;

export function readDocument(document: OpenapiDocument): Described {
  const ajv = new Ajv2020({ strict: false });
  (addFormats as unknown as (ajv: Ajv2020) => void)(ajv);
  ajv.addSchema(document, 'document');
  const compiled = new Map<string, ValidateFunction>();
  const operations = Object.entries(document.paths as unknown as Record<string, Item>).flatMap(
    ([path, item]) =>
      Object.entries(item).map(
        ([method, { operationId, parameters = [], requestBody }]): Operation => ({
          id: operationId,
          method: method.toUpperCase(),
          path,
          parameters,
          body: requestBody ?? null,
          responses: (document.paths[path]?.[method]?.responses ?? {}) as Operation['responses'],
        }),
      ),
  );
  return {
    document,
    operations,
    resolve: (schema) => {
      if (schema.$ref === undefined) return schema;
      const name = schema.$ref.split('/').at(-1) as string;
      return document.components.schemas[name] as Schema;
    },
    takes: ({ id, path, method }, body) => {
      let validate = compiled.get(id);
      if (validate === undefined) {
        const place = [
          'paths',
          path,
          method.toLowerCase(),
          'requestBody/content',
          'application/json',
          'schema',
        ];
        const parts = place.map((part, at) => (at === 3 ? part : part.replaceAll('/', '~1')));
        validate = ajv.compile({ $ref: `document#/${parts.map((part) => encodeURI(part)).join('/')}` });
        compiled.set(id, validate);
      }
      return validate(body);
    },
  };
}
