import type { FastifyRequest } from 'fastify';
import { AppError } from '../../domain/errors.ts';
import { FORMATS } from './formats.ts';

/** A body of a type that this route does not take: says what it takes, and how to send it. */
export function unsupportedMediaType(request: FastifyRequest): AppError {
  const given = request.headers['content-type'];
  const { takesYamlAndToml, takesBytes } = request.routeOptions.config;
  const how = takesBytes ? AS_BYTES : takesYamlAndToml ? AS_FILES : AS_JSON;
  const said = given === undefined ? 'the body has no content type' : describe(given);
  return new AppError('unsupported_media_type', `${said}; ${how}`);
}

const AS_JSON = "send JSON with -H 'content-type: application/json', or with curl --json";

const AS_FILES =
  "send JSON with -H 'content-type: application/json', or with curl --json @job.json; " +
  `YAML with curl -H 'content-type: ${FORMATS.yaml.types[0]}' --data-binary @job.yaml; ` +
  `TOML with curl -H 'content-type: ${FORMATS.toml.types[0]}' --data-binary @job.toml ` +
  '(not with -d, which takes out the line breaks)';

const AS_BYTES =
  "send text with curl -H 'content-type: text/plain' --data-binary @- (not with -d, which takes out the line breaks), " +
  'any other bytes as application/octet-stream';

function describe(given: string): string {
  if (/;\s*charset=/i.test(given) && isKnown(given)) return `not ${given}: bodies are UTF-8 here`;
  if (/^(application\/x-www-form-urlencoded|multipart\/form-data)/i.test(given)) {
    return `${given} is a form, which is what curl -d, --data-binary and -F send by themselves`;
  }
  const format = Object.values(FORMATS).find(({ types }) => types.includes(essence(given)));
  return format === undefined ? `not ${given}` : `this call does not take ${format.title}`;
}

function isKnown(given: string): boolean {
  return Object.values(FORMATS).some(({ types }) => types.includes(essence(given)));
}

function essence(given: string): string {
  return (given.split(';')[0] as string).trim().toLowerCase();
}
