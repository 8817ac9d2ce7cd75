import { Composer, type Document, Lexer, LineCounter, type ParsedNode, Parser } from 'yaml';
import { AppError } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';
import { tooDeep } from './body-text.ts';
import { adviseOnError, adviseOnToken } from './yaml-advice.ts';

/** A YAML text as a tree of nodes that know where they stand. */
export interface YamlTree {
  /** Null for a text that says nothing. */
  root: ParsedNode | null;
  lineOf(offset: number): number;
}

/**
 * Reads one document of YAML 1.2, core schema. Throws `invalid_yaml` with line, column and what to write instead.
 *
 * What can make a small text large or the stack deep (anchors and aliases, tags, more documents, deep nesting) is
 * refused at the first sign of it, token by token, before anything is built from it. Whoever reads the tree may
 * recurse: it is hardly deeper than 64 levels.
 */
export function readYamlTree(text: string): YamlTree {
  const lines = new LineCounter();
  lines.addNewLine(0);
  const tokens = parse(text, lines);
  const document = compose(tokens, text);
  const [error] = (document?.errors ?? []).sort((a, b) => a.pos[0] - b.pos[0]);
  if (error !== undefined) throw invalidYaml(text, error.pos[0], adviseOnError(error, text));
  return { root: document?.contents ?? null, lineOf: (offset) => lines.linePos(offset).line };
}

function parse(text: string, lines: LineCounter) {
  const parser = new Parser(lines.addNewLine);
  const tokens: ReturnType<Parser['next']> extends Generator<infer Token> ? Token[] : never = [];
  let [offset, count, documents] = [0, 0, 0];
  let mark = '';
  for (const token of new Lexer().lex(text)) {
    if (++count > LIMITS.yamlTokens) throw tooManyTokens();
    // What follows the mark of a scalar is its text, whatever that looks like.
    const isText = mark === SCALAR;
    if (!isText) {
      if (token === DOCUMENT || (token === '---' && mark !== DOCUMENT)) documents++;
      const advice = documents > 1 ? ONE_DOCUMENT : adviseOnToken(token, text, offset);
      if (advice !== null) throw invalidYaml(text, offset, advice);
    }
    let isLost = false;
    for (const parsed of parser.next(token)) {
      tokens.push(parsed);
      isLost ||= parsed.type === 'error';
    }
    // One mistake is enough; a text may hold a million.
    if (isLost) break;
    if (parser.stack.length > LIMITS.jsonDepth) refuseDepth(parser, lines, offset);
    mark = !isText && MARKS.has(token) ? token : '';
    if (mark === '') offset += token.length;
  }
  for (const parsed of parser.end()) tokens.push(parsed);
  return tokens;
}

// What the lexer puts between the tokens that it takes from the text.
const DOCUMENT = '\u0002';
const FLOW_END = '\u0018';
const SCALAR = '\u001f';
const MARKS = new Set([DOCUMENT, FLOW_END, SCALAR]);
const ONE_DOCUMENT = 'here a second document begins; send each job in a body of its own';

function refuseDepth(parser: Parser, lines: LineCounter, offset: number): void {
  const deep = parser.stack.filter(({ type }) => /^(block-(map|seq)|flow-collection)$/.test(type)).length;
  if (deep <= LIMITS.jsonDepth) return;
  const { line } = lines.linePos(offset);
  const problem = { ...tooDeep(''), line };
  throw new AppError('invalid_body', `line ${line}: ${problem.detail}`, [problem]);
}

function compose(tokens: ReturnType<typeof parse>, text: string): Document.Parsed | undefined {
  // Keys that stand twice are found by whoever reads the tree; the library compares each with each.
  const options = {
    version: '1.2',
    schema: 'core',
    merge: false,
    uniqueKeys: false,
    stringKeys: true,
  } as const;
  const { stackTraceLimit } = Error;
  // A text may hold a million mistakes, and each would otherwise cost a stack trace.
  Error.stackTraceLimit = 0;
  try {
    const [document] = new Composer(options).compose(tokens, false, text.length);
    return document as Document.Parsed | undefined;
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

function tooManyTokens(): AppError {
  const detail = `the YAML is made of more than ${LIMITS.yamlTokens} pieces, the most that is read; send the job as JSON`;
  return new AppError('payload_too_large', detail);
}

/** A text that is no YAML, or more than is taken of it. */
export function invalidYaml(text: string, offset: number, advice: string): AppError {
  const before = text.slice(0, offset).split('\n');
  const [line, column] = [before.length, (before.at(-1) as string).length + 1];
  const detail = `the body is not YAML that is taken: line ${line}, column ${column}: ${advice}`;
  return new AppError('invalid_yaml', detail, [{ pointer: '', code: 'invalid_yaml', detail: advice, line }]);
}
