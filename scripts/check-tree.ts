/** What the house's own checks read: the text of every file, and TypeScript as syntax trees. */
import { globSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

/** Every text file under `root` by its path from there, with forward slashes. */
export type Tree = Map<string, string>;

const ELSEWHERE = new Set(['node_modules', '.git', 'data', 'coverage', 'dist']);
const TEXT = /(^|\/)([^./]+|\.[a-z-]+|.*\.(ts|mjs|cjs|js|json|md|sql|sh|py|ya?ml|css|html|svg|txt|example))$/;

/** Reads the tree, without what npm, git, the server and the tests put there. */
export function readTree(root: string): Tree {
  const paths = globSync('{*,.*,*/**,.ci/**}', { cwd: root, exclude: (name) => ELSEWHERE.has(name) });
  const files = [...new Set(paths.map((path) => path.replaceAll('\\', '/')))].filter((path) =>
    TEXT.test(path),
  );
  const entries = files.sort().filter((path) => statSync(join(root, path)).isFile());
  return new Map(entries.map((path) => [path, readFileSync(join(root, path), 'utf8')]));
}

/** The TypeScript files below a folder, parsed. */
export function parseFolder(tree: Tree, folder: string): ts.SourceFile[] {
  return [...tree]
    .filter(([path]) => path.startsWith(folder) && path.endsWith('.ts'))
    .map(([path, text]) => ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true));
}

/** Calls back on every node below one, parents first; a callback that returns false keeps out of what is below. */
export function walk(node: ts.Node, visit: (node: ts.Node) => unknown): void {
  ts.forEachChild(node, (child) => {
    if (visit(child) !== false) walk(child, visit);
  });
}

/** Prints what a check found and says how much it looked at; ends the process with 1 if anything is wrong. */
export function report(seen: string, wrong: string[], warnings: string[] = []): void {
  for (const line of warnings) console.log(`warning: ${line}`);
  for (const line of wrong) console.log(`error: ${line}`);
  console.log(`Looked at ${seen}.`);
  if (wrong.length > 0) process.exitCode = 1;
}
