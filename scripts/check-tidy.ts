/** Rules of the house that no other tool knows. `npm run check` runs them all. */
import { dirname, join, normalize } from 'node:path';
import ts from 'typescript';
import { parseFolder, readTree, report, type Tree, walk } from './check-tree.ts';

const FILE_LINES = 250;
const FUNCTION_LINES = 40;
/** What somebody runs. */
const CODE = /^(client\/)?src\//;
/** Made from the schemas of the wire. */
const WIRE_FILE = 'client/src/wire.ts';
const NAMELESS_ROOMS = /(^|\/)(utils?|lib|common|helpers?|services?|managers?|types)\//;

/** Words that no file may hold. Brackets keep this file from matching itself. */
const UNWANTED: [RegExp, string][] = [
  [/\b(TO[D]O|FI[X]ME|X[X]X|HA[C]K)\b/, 'something left to do: do it, or write down why not'],
  [/(^|[\s'"`(=])\/(hom[e]|roo[t]|wor[k]|User[s])\/\w/, "a path of somebody's machine"],
  [/\/\/[\w.-]*(registr[y]|\bnp[m]js?)\b[\w-]*[.:/]/, "a package registry's host"],
];

/** Calls that belong in some places only. */
const PLACED: { calls: RegExp; within: RegExp; why: string }[] = [
  {
    calls: /^(selectFrom|insertInto|updateTable|deleteFrom|mergeInto)$/,
    within: /^src\/(repositories|database)\//,
    why: 'SQL lives in src/repositories/',
  },
  {
    calls: /^(transaction|startTransaction)$/,
    within: /^src\/(database\/transaction\.ts$|operations\/)/,
    why: 'only operations open transactions',
  },
];

const SQL_STARTS = /^(selectFrom|insertInto|updateTable|deleteFrom|with|withRecursive)$/;

/** Everything in the tree that is against the rules, and the functions that ask to become two. */
export function checkTidy(tree: Tree): { wrong: string[]; warnings: string[] } {
  const sources = parseFolder(tree, 'src/');
  const client = parseFolder(tree, 'client/src/');
  const nothing = sources.length === 0 ? ['src holds no TypeScript: nothing was checked'] : [];
  return {
    wrong: [
      ...nothing,
      ...longFiles(tree),
      ...namelessRooms(tree),
      ...unwantedWords(tree),
      ...lockfile(tree),
      ...brokenLinks(tree),
      ...decisions(tree),
      ...client.flatMap(barrels),
      ...sources.flatMap((source) => [...barrels(source), ...environment(source), ...misplacedCalls(source)]),
      ...writesFromHttp(sources),
    ],
    warnings: [...sources, ...client].flatMap(longFunctions),
  };
}

function longFiles(tree: Tree): string[] {
  return [...tree]
    .map(([path, text]) => ({ path, lines: text.trimEnd().split('\n').length }))
    .filter(({ path, lines }) => CODE.test(path) && path !== WIRE_FILE && lines > FILE_LINES)
    .map(
      ({ path, lines }) =>
        `${path}: ${lines} lines, more than ${FILE_LINES}; which part has a name of its own?`,
    );
}

function namelessRooms(tree: Tree): string[] {
  const named = [...tree.keys()].map((path) => NAMELESS_ROOMS.exec(path)).filter((match) => match !== null);
  const folders = new Set(named.map((match) => match.input.slice(0, match.index + match[0].length)));
  return [...folders].map(
    (folder) => `${folder}: a folder is named after what it holds, not "${folder.split('/').at(-2)}"`,
  );
}

function unwantedWords(tree: Tree): string[] {
  return [...tree].flatMap(([path, text]) =>
    text
      .split('\n')
      .flatMap((line, index) =>
        UNWANTED.filter(([pattern]) => pattern.test(line)).map(([, what]) => `${path}:${index + 1}: ${what}`),
      ),
  );
}

function lockfile(tree: Tree): string[] {
  const text = tree.get('package-lock.json');
  if (text === undefined) return ['package-lock.json is missing'];
  // A host in the lockfile would be asked on every machine, whatever registry it uses.
  return /"resolved":/.test(text)
    ? ['package-lock.json: holds "resolved"; see .npmrc and install again']
    : [];
}

function brokenLinks(tree: Tree): string[] {
  const pages = [...tree].filter(([path]) => path.endsWith('.md'));
  return pages.flatMap(([path, text]) => {
    const prose = text.replaceAll(/^```[\s\S]*?^```/gm, '').replaceAll(/`[^`\n]*`/g, '');
    const targets = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target ?? '');
    return targets
      .filter((target) => !/^\w+:/.test(target) && !leadsSomewhere(tree, path, target))
      .map((target) => `${path}: the link to ${target} leads nowhere`);
  });
}

function leadsSomewhere(tree: Tree, page: string, target: string): boolean {
  const [file = '', anchor] = target.split('#');
  const path = file === '' ? page : normalize(join(dirname(page), file)).replaceAll('\\', '/');
  const folder = path.endsWith('/') ? path : `${path}/`;
  const text = tree.get(path);
  if (text === undefined) return [...tree.keys()].some((known) => known.startsWith(folder));
  return anchor === undefined || headings(text).includes(anchor);
}

/** The anchors that a page's headings get when it is shown. */
function headings(text: string): string[] {
  const titles = [...text.matchAll(/^#+ +(.+)$/gm)].map(([, title]) => title ?? '');
  return titles.map((title) =>
    title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(' ', '-'),
  );
}

function decisions(tree: Tree): string[] {
  const names = [...tree.keys()].filter((path) => /^docs\/decisions\/[^/]+\.md$/.test(path));
  const numbers = names.map((path) => /\/(\d{4})-[a-z0-9-]+\.md$/.exec(path)?.[1]);
  return names
    .filter((_, index) => numbers[index] === undefined || numbers.indexOf(numbers[index]) !== index)
    .map((path) => `${path}: a decision is named NNNN-what-was-decided.md, with a number of its own`);
}

function barrels(source: ts.SourceFile): string[] {
  const passesOn = (statement: ts.Statement) =>
    ts.isImportDeclaration(statement) || ts.isExportDeclaration(statement);
  const barrel = source.statements.length > 0 && source.statements.every(passesOn);
  return barrel ? [`${source.fileName}: only passes on what others export; import it where it is`] : [];
}

function environment(source: ts.SourceFile): string[] {
  // Each starts a program: the server, and the command line.
  if (['src/main.ts', 'src/cli/main.ts'].includes(source.fileName)) return [];
  const found: string[] = [];
  walk(source, (node) => {
    const { parent } = node;
    const named = ts.isIdentifier(node) && node.text === 'process';
    const imported = ts.isStringLiteral(node) && /^(node:)?process$/.test(node.text);
    // Handing `process` on or taking it apart would hide a read of its environment, so only `process.x` passes.
    const access =
      ts.isPropertyAccessExpression(parent) && (parent.name === node || parent.name.text !== 'env');
    const wrong = imported
      ? ts.isImportDeclaration(parent)
      : named && !access && !ts.isPropertyAssignment(parent);
    if (wrong) found.push(`${at(source, node)}: only src/main.ts and src/cli/main.ts read process.env`);
  });
  return found;
}

function misplacedCalls(source: ts.SourceFile): string[] {
  const found: string[] = [];
  walk(source, (node) => {
    const name = calledName(node);
    for (const { calls, within, why } of PLACED) {
      if (name && calls.test(name) && !within.test(source.fileName))
        found.push(`${at(source, node)}: ${name}(): ${why}`);
    }
  });
  return found;
}

/** What takes a `Tx` writes; routes read. Only operations can open a `Tx`, so a type assertion is the way around. */
function writesFromHttp(sources: ts.SourceFile[]): string[] {
  const writers = new Set<string>();
  for (const source of sources.filter(({ fileName }) => fileName.startsWith('src/repositories/'))) {
    for (const statement of source.statements) {
      if (!ts.isFunctionDeclaration(statement)) continue;
      if (statement.parameters[0]?.type?.getText() === 'Tx') writers.add(statement.name?.text ?? '');
    }
  }
  const routes = sources.filter(({ fileName }) => fileName.startsWith('src/http/'));
  return routes.flatMap((source) => {
    const found: string[] = [];
    walk(source, (node) => {
      if (!ts.isImportSpecifier(node)) return;
      const name = (node.propertyName ?? node.name).text;
      if (writers.has(name) || name === 'Tx')
        found.push(`${at(source, node)}: ${name}: http only reads; write by an operation`);
    });
    return found;
  });
}

function longFunctions(source: ts.SourceFile): string[] {
  const found: string[] = [];
  walk(source, (node) => {
    if (!ts.isFunctionLike(node)) return;
    const lines = ownLines(source, node);
    const name = node.name?.getText() ?? 'a function';
    if (lines > FUNCTION_LINES)
      found.push(`${at(source, node)}: ${name} has ${lines} lines and asks to become two`);
  });
  return found;
}

/** The lines of a function; one SQL statement counts as a line, and so does a function inside, which is counted by itself. */
function ownLines(source: ts.SourceFile, node: ts.Node): number {
  let lines = spannedLines(source, node);
  walk(node, (child) => {
    const one = ts.isFunctionLike(child) || ts.isTemplateLiteral(child) || SQL_STARTS.test(chainStart(child));
    if (one) lines -= spannedLines(source, child) - 1;
    return !one;
  });
  return lines;
}

/** The first call of a chain: `selectFrom` for `db.selectFrom('job').where(…).execute()`; empty for what is no chain. */
function chainStart(node: ts.Node): string {
  let first = '';
  for (
    let at = node;
    ts.isCallExpression(at) && ts.isPropertyAccessExpression(at.expression);
    at = at.expression.expression
  ) {
    first = at.expression.name.text;
  }
  return first;
}

function calledName(node: ts.Node): string | undefined {
  const called = ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression);
  return called ? (node.expression as ts.PropertyAccessExpression).name.text : undefined;
}

function spannedLines(source: ts.SourceFile, node: ts.Node): number {
  const line = (position: number) => source.getLineAndCharacterOfPosition(position).line;
  return line(node.end) - line(node.getStart()) + 1;
}

function at(source: ts.SourceFile, node: ts.Node): string {
  return `${source.fileName}:${source.getLineAndCharacterOfPosition(node.getStart()).line + 1}`;
}

if (import.meta.main) {
  const tree = readTree(process.cwd());
  const { wrong, warnings } = checkTidy(tree);
  report(`${tree.size} files`, wrong, warnings);
}
