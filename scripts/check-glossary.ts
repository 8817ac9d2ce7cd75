/** Looks for words that docs/glossary.md rules out in the names that people meet: see that page for which and where. */
import ts from 'typescript';
import { parseFolder, readTree, report, type Tree, walk } from './check-tree.ts';

interface Name {
  name: string;
  where: string;
  kind: 'column' | 'wire field' | 'route' | 'code' | 'file' | 'export';
}

interface Banned {
  /** The words of what must not be said: ['workflow', 'run']. */
  words: string[];
  say: string;
}

/** Every name that breaks the glossary, exceptions that nothing needs, and kinds of names of which none was seen. */
export function checkGlossary(tree: Tree): { wrong: string[]; seen: number } {
  const page = tree.get('docs/glossary.md') ?? '';
  const banned = bannedWords(page);
  const exceptions = tableRows(page, '| name | where | why |').map(([name = '', where = '']) => ({
    name: name.replaceAll('`', ''),
    where: where.replaceAll('`', ''),
  }));
  const names = readNames(tree);
  const faults = names.flatMap((name) => {
    const words = split(name.name);
    return banned
      .filter((one) => says(words, one.words))
      .slice(0, 1)
      .map((one) => ({ ...name, ...one }));
  });
  const excused = (fault: Name) =>
    exceptions.some(({ name, where }) => name === fault.name && where === fault.where);
  const kinds: Name['kind'][] = ['column', 'wire field', 'route', 'code', 'file', 'export'];
  return {
    seen: names.length,
    wrong: [
      ...(banned.length === 0 ? ['docs/glossary.md names no word to look for'] : []),
      ...kinds
        .filter((kind) => !names.some((name) => name.kind === kind))
        .map((kind) => `no ${kind} was seen`),
      ...faults
        .filter((fault) => !excused(fault))
        .map(
          ({ where, kind, name, words, say }) =>
            `${where}: ${kind} ${name}: not "${words.join(' ')}", say "${say}"`,
        ),
      ...exceptions
        .filter(({ name, where }) => !faults.some((fault) => fault.name === name && fault.where === where))
        .map(
          ({ name, where }) => `docs/glossary.md: nothing needs the exception ${name} in ${where} any more`,
        ),
    ],
  };
}

function bannedWords(page: string): Banned[] {
  return tableRows(page, '| word | meaning | never say |').flatMap(([say = '', , never = '']) =>
    [...never.matchAll(/`([^`]+)`/g)].map(([, phrase = '']) => ({ words: split(phrase), say })),
  );
}

/** The cells of the table under this heading line, without the line of dashes. */
function tableRows(page: string, heading: string): string[][] {
  const [, after = ''] = page.split(`${heading}\n`);
  const rows = after.split('\n').slice(1);
  const end = rows.findIndex((row) => !row.startsWith('|'));
  return rows.slice(0, end === -1 ? rows.length : end).map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

/** `claimIds`, `claim_ids` and `claim-ids` are the words claim and ids. */
function split(name: string): string[] {
  return name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z]+/)
    .filter((word) => word !== '');
}

function says(words: string[], banned: string[]): boolean {
  return words.some((_, start) => banned.every((word, offset) => isForm(words[start + offset] ?? '', word)));
}

/** Whether a word is another or a form of it: lease, leases, leased, leasing. */
function isForm(word: string, base: string): boolean {
  const stem = base.replace(/e$/, '');
  return [
    base,
    `${base}s`,
    `${base}es`,
    `${base}d`,
    `${base}ed`,
    `${stem}ing`,
    base.replace(/y$/, 'ies'),
  ].includes(word);
}

function readNames(tree: Tree): Name[] {
  return [
    ...columns(tree),
    ...parseFolder(tree, 'src/contract/').flatMap((source) => [...fields(source), ...codes(source)]),
    ...parseFolder(tree, 'src/http/').flatMap((source) => [...fields(source), ...routes(source)]),
    ...parseFolder(tree, 'src/domain/').flatMap(codes),
    ...files(tree),
    ...['src/', 'client/src/'].flatMap((folder) => parseFolder(tree, folder)).flatMap(exported),
  ];
}

function columns(tree: Tree): Name[] {
  const where = 'migrations/schema.sql';
  const text = tree.get(where) ?? '';
  const found = [
    ...text.matchAll(/^ {2}(?:constraint )?"?(\w+)"? /gm),
    ...text.matchAll(/^create (?:unique )?(?:table|index|function|view) (?:\w+\.)?"?(\w+)/gim),
  ];
  return found.map(([, name = '']) => ({ name, where, kind: 'column' }));
}

/** Keys of object literals and types: in these folders they are, or name, what goes over the wire. */
function fields(source: ts.SourceFile): Name[] {
  return collect(source, 'wire field', (node) => {
    const key =
      ts.isPropertyAssignment(node) || ts.isShorthandPropertyAssignment(node) || ts.isPropertySignature(node);
    return key && !ts.isComputedPropertyName(node.name) ? node.name.text : undefined;
  });
}

/** Strings that are paths. */
function routes(source: ts.SourceFile): Name[] {
  return collect(source, 'route', (node) => {
    const path = ts.isStringLiteralLike(node) && /^\/[a-z0-9_/:{}.-]+$/i.test(node.text);
    return path ? node.text : undefined;
  });
}

/** Strings that are single words: statuses, reasons, outcomes, error codes. */
function codes(source: ts.SourceFile): Name[] {
  return collect(source, 'code', (node) => {
    const word = ts.isStringLiteral(node) && /^[a-z]+(_[a-z]+)*$/.test(node.text);
    return word ? node.text : undefined;
  });
}

function files(tree: Tree): Name[] {
  const ours = [...tree.keys()].filter((path) =>
    /^(src|client|test|proof|scripts|bench|docs|migrations|examples)\//.test(path),
  );
  return ours.map((path) => ({ name: path, where: path, kind: 'file' }));
}

/** What a file exports: functions, constants, classes and types, and the members of exported types. */
function exported(source: ts.SourceFile): Name[] {
  const isExported = (node: ts.Statement) =>
    ts.canHaveModifiers(node) &&
    (ts.getModifiers(node) ?? []).some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);
  return source.statements.filter(isExported).flatMap((statement) =>
    collect(statement, 'export', (node) => {
      const { parent } = node;
      const declared = ts.isIdentifier(node) && parent === statement;
      const constant =
        ts.isIdentifier(node) && ts.isVariableDeclaration(parent) && parent.parent.parent === statement;
      if (declared || (constant && parent.name === node)) return node.text;
      return ts.isTypeElement(node) && node.name && ts.isIdentifier(node.name) ? node.name.text : undefined;
    }),
  );
}

function collect(top: ts.Node, kind: Name['kind'], read: (node: ts.Node) => string | undefined): Name[] {
  const where = top.getSourceFile().fileName;
  const names = new Set<string>();
  walk(top, (node) => {
    const name = read(node);
    if (name !== undefined) names.add(name);
  });
  return [...names].map((name) => ({ name, where, kind }));
}

if (import.meta.main) {
  const { wrong, seen } = checkGlossary(readTree(process.cwd()));
  report(`${seen} names`, wrong);
}
