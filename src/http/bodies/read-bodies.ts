import type { FastifyInstance, FastifyRequest } from 'fastify';
import { AppError, type Problem } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';
import { decodeBody } from './body-text.ts';
import { FORMATS, type FormatName } from './formats.ts';
import { readApart } from './read-apart.ts';
import { unsupportedMediaType } from './unsupported-type.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** A request without a body counts as `{}`, and so does an empty body of any type. */
    bodyIsOptional?: boolean;
    /** The body may be YAML or TOML as well as JSON. */
    takesYamlAndToml?: boolean;
    /** The body is taken as the bytes that it is. */
    takesBytes?: boolean;
  }
  interface FastifyInstance {
    /** Aborted when the server closes: what still waits to be read is answered so. */
    bodiesEnd: AbortSignal;
  }
  interface FastifyRequest {
    /** What the body was read from, for whoever wants to tell lines; null when there was none, or it was let go. */
    bodySource: { format: FormatName; text: string } | null;
  }
}

/** Reads bodies, strictly, and with words for what is wrong with them: JSON, and where a route takes them YAML and TOML. */
export function readBodies(app: FastifyInstance): void {
  const stopping = new AbortController();
  app.addHook('preClose', async () => stopping.abort());
  app.decorate('bodiesEnd', stopping.signal);
  app.decorateRequest('bodySource', null);
  app.removeAllContentTypeParsers();
  for (const format of Object.keys(FORMATS) as FormatName[]) {
    app.addContentTypeParser(
      [...FORMATS[format].types],
      { parseAs: 'buffer' },
      async (request: FastifyRequest, body: Buffer) => {
        if (!isUtf8(request) || !takes(request, format)) throw unsupportedMediaType(request);
        return await read(request, format, body);
      },
    );
  }
  // Everything else is refused before it is read, except nothing at all where nothing will do.
  app.addContentTypeParser('*', async (request: FastifyRequest, payload: NodeJS.ReadableStream) => {
    const optional = request.routeOptions.config.bodyIsOptional === true;
    if (optional && isEmpty(request)) return {};
    if (!optional || request.headers['content-type'] !== undefined) throw unsupportedMediaType(request);
    return await read(request, 'json', await collect(payload));
  });
  app.addHook('preValidation', async (request) => {
    if (request.routeOptions.config.bodyIsOptional && request.body === undefined) request.body = {};
  });
}

/** Adds to problems of a body the lines on which they stand, as far as the body has lines. */
export async function addLines(request: FastifyRequest, problems: readonly Problem[]): Promise<Problem[]> {
  const { bodySource } = request;
  // What found a problem while it read the text has told its line.
  if (bodySource === null || problems.every(({ line }) => line !== undefined)) return [...problems];
  const question = { ...bodySource, pointers: problems.map(({ pointer }) => pointer) };
  // Lines are a courtesy: where they cannot be found, the pointers have to do. What finds them in TOML is not what read
  // it, and may stumble over what that took.
  const reply = await readApart(question, turnOf(request)).catch(() => null);
  const lines = reply?.ok === true ? (reply.value as (number | null)[]) : [];
  return problems.map((problem, index) => {
    const line = problem.line ?? lines[index] ?? null;
    return line === null ? problem : { ...problem, line };
  });
}

async function read(request: FastifyRequest, format: FormatName, body: Buffer): Promise<unknown> {
  if (body.length === 0 && request.routeOptions.config.bodyIsOptional) return {};
  const { limit, invalid } = FORMATS[format];
  if (format !== 'json' && body.length > limit) throw tooLargeFor(FORMATS[format]);
  const text = decodeBody(body, invalid);
  const reply = await readApart({ format, text }, turnOf(request));
  request.bodySource = { format, text };
  if (reply.ok) return reply.value;
  // What is wrong with the text has its lines already, or there is no text to count them in.
  const errors = reply.code === 'invalid_body' ? await addLines(request, reply.errors) : reply.errors;
  throw new AppError(reply.code, reply.detail, errors);
}

function turnOf({ raw, server }: FastifyRequest) {
  // The request itself ends with its body; only the connection tells.
  return { isGone: () => raw.socket.destroyed, stopping: server.bodiesEnd };
}

// Each takes longer to read than JSON does, and a hostile one much longer.
function tooLargeFor({ title, limit }: { title: string; limit: number }): AppError {
  const detail = `the ${title} is larger than ${limit / 1024 / 1024} MiB, the most that is read; send the job as JSON`;
  return new AppError('payload_too_large', detail);
}

function takes(request: FastifyRequest, format: FormatName): boolean {
  return format === 'json' || request.routeOptions.config.takesYamlAndToml === true;
}

function isUtf8(request: FastifyRequest): boolean {
  const charset = /;\s*charset=["']?([^"';\s]+)/i.exec(request.headers['content-type'] ?? '')?.[1];
  return charset === undefined || /^utf-?8$/i.test(charset);
}

function isEmpty(request: FastifyRequest): boolean {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
  return encoding === undefined && (length === undefined || length === '0');
}

async function collect(payload: NodeJS.ReadableStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of payload as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= LIMITS.bodyBytes) chunks.push(chunk);
  }
  if (size <= LIMITS.bodyBytes) return Buffer.concat(chunks);
  throw new AppError('payload_too_large', 'the body is larger than 1 MiB, the most that this call takes');
}
