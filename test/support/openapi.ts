import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

interface Media {
  schema?: object;
}
interface Operation {
  responses: Record<string, { content?: Record<string, Media>; headers?: Record<string, unknown> }>;
}
export interface OpenapiDocument {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, object> };
}

export interface Answered {
  method: string;
  path: string;
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
}

/**
 * Checks answers against a served OpenAPI document: what is wrong with one, in words, or null. Answers of paths or
 * methods that the document does not have must be problem documents.
 */
export function createAnswerCheck(document: OpenapiDocument): (answer: Answered) => string | null {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  (addFormats as unknown as (ajv: Ajv2020) => void)(ajv);
  ajv.addSchema(document, 'document');
  const compiled = new Map<string, ValidateFunction>();

  return (answer) => {
    const type = String(answer.headers['content-type'] ?? '').split(';')[0] as string;
    const found = findOperation(document, answer);
    if (found === null) {
      if (answer.status < 400) return `${answer.method} ${answer.path} is not described`;
      return check('#/components/schemas/Problem', answer.text, type === 'application/problem+json');
    }
    const response = found.operation.responses[answer.status];
    if (response === undefined) return `status ${answer.status} is not described for ${found.pointer}`;
    if (response.content === undefined) return answer.text === '' ? null : 'there should be no body';
    if (answer.method === 'HEAD') return null;
    const media = response.content[type];
    if (media?.schema === undefined) return `${type} is not described for ${found.pointer} ${answer.status}`;
    const pointer = `${found.pointer}/responses/${answer.status}/content/${asPointerPart(type)}/schema`;
    return type.startsWith('text/') ? null : check(pointer, answer.text, true);
  };

  function check(pointer: string, text: string, rightType: boolean): string | null {
    if (!rightType) return 'this should be application/problem+json';
    let validate = compiled.get(pointer);
    if (validate === undefined) {
      validate = ajv.compile({ $ref: `document${pointer}` });
      compiled.set(pointer, validate);
    }
    return validate(JSON.parse(text))
      ? null
      : `${pointer}: ${ajv.errorsText(validate.errors)} in ${text.slice(0, 500)}`;
  }
}

function findOperation(document: OpenapiDocument, { method, path }: Answered) {
  const asked = (path.split('?')[0] as string).split('/').filter((part) => part !== '');
  const verb = method === 'HEAD' ? 'get' : method.toLowerCase();
  const fitting = Object.keys(document.paths).filter((template) => {
    const parts = template.split('/').filter((part) => part !== '');
    return (
      parts.length === asked.length && parts.every((part, i) => part.startsWith('{') || part === asked[i])
    );
  });
  // A fixed word wins over a parameter, as in the router.
  const [template] = fitting.sort((a, b) => a.split('{').length - b.split('{').length);
  const operation = template === undefined ? undefined : document.paths[template]?.[verb];
  if (template === undefined || operation === undefined) return null;
  return { operation, pointer: `#/paths/${asPointerPart(template)}/${verb}` };
}

function asPointerPart(key: string): string {
  return encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'));
}
