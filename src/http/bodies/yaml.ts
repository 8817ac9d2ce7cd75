import { isMap, isScalar, isSeq, type ParsedNode, type Scalar, type YAMLMap } from 'yaml';
import { AppError, type Problem } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';
import { pointerTo } from '../../domain/storable.ts';
import type { Place } from './body-lines.ts';
import {
  countParts,
  forbiddenKey,
  refuseProblems,
  tooDeep,
  tooManyParts,
  unsafeNumber,
} from './body-text.ts';
import { duplicateKey } from './json-text.ts';
import { invalidYaml, readYamlTree, type YamlTree } from './yaml-tree.ts';

/**
 * The value of a YAML text: one document of YAML 1.2, core schema, so that dates and `yes` stay text; keys are text as
 * they are written. Throws `invalid_yaml` for what is no YAML or more than is taken of it, `invalid_body` for a value
 * that would not arrive as it was meant; both with lines.
 */
export function parseYaml(text: string): unknown {
  const tree = readYamlTree(text);
  if (tree.root === null || (isScalar(tree.root) && tree.root.source === '')) {
    const isComment = text.trim() !== '';
    const hint = isComment
      ? 'there is only a comment; curl -d takes out line breaks, --data-binary does not'
      : '';
    throw new AppError('invalid_yaml', hint || 'the body is empty; send a job definition');
  }
  const problems: Problem[] = [];
  const value = toValue(tree.root, '', 1, { text, tree, problems });
  refuseProblems(problems);
  const { values, differentKeys } = countParts(value);
  refuseProblems(tooManyParts(values, differentKeys));
  return value;
}

interface Reading {
  text: string;
  tree: YamlTree;
  problems: Problem[];
}

function toValue(node: ParsedNode | null, pointer: string, depth: number, reading: Reading): unknown {
  if (node === null) return null;
  checkTag(node, reading);
  if (isScalar(node)) return scalarValue(node, pointer, reading);
  if (depth > LIMITS.jsonDepth) return report(tooDeep(pointer), node, reading);
  if (isSeq(node)) {
    return node.items.map((item, index) =>
      toValue(item as ParsedNode | null, pointerTo(pointer, index), depth + 1, reading),
    );
  }
  return isMap(node) ? mapValue(node, pointer, depth, reading) : null;
}

/** What the values are of which these tags may be said. */
const TAGGED: Readonly<Record<string, string>> = {
  'tag:yaml.org,2002:str': 'string',
  'tag:yaml.org,2002:int': 'number',
  'tag:yaml.org,2002:float': 'number',
  'tag:yaml.org,2002:bool': 'boolean',
  'tag:yaml.org,2002:null': 'null',
  'tag:yaml.org,2002:map': 'map',
  'tag:yaml.org,2002:seq': 'seq',
};

/** The library takes a value whose tag does not fit for text, or passes over the tag: `!!float 1` would be "1". */
function checkTag(node: ParsedNode, { text }: Reading): void {
  if (node.tag === undefined || TAGGED[node.tag] === kindOf(node)) return;
  const tag = node.tag.replace('tag:yaml.org,2002:', '!!');
  throw invalidYaml(text, node.range[0], `the value is not what the tag \`${tag}\` says; leave the tag out`);
}

function kindOf(node: ParsedNode): string {
  if (isMap(node)) return 'map';
  if (isSeq(node)) return 'seq';
  return isScalar(node) && node.value !== null ? typeof node.value : 'null';
}

function mapValue(node: YAMLMap.Parsed, pointer: string, depth: number, reading: Reading): object {
  const value: Record<string, unknown> = {};
  for (const { key: keyNode, value: below } of node.items) {
    const key = keyOf(keyNode, reading);
    const at = pointerTo(pointer, key);
    if (key === '__proto__') report(forbiddenKey(pointer), keyNode, reading);
    else if (Object.hasOwn(value, key)) {
      report(duplicateKey(at, key, reading.tree.lineOf(keyNode.range[0])), keyNode, reading);
    } else value[key] = toValue(below, at, depth + 1, reading);
  }
  return value;
}

function keyOf(node: ParsedNode, { text }: Reading): string {
  const [start] = node.range;
  if (!isScalar(node)) throw invalidYaml(text, start, 'a key must be text, not a list or a map');
  const key = String(node.value);
  if (key === '' && node.type === 'PLAIN') {
    throw invalidYaml(text, start, 'there is no key before this colon; put the value in quotes, or name it');
  }
  if (key !== '<<' || node.type !== 'PLAIN') return key;
  throw invalidYaml(
    text,
    start,
    'merge keys are not taken; write the fields out, or put `<<` in quotes if it is a name',
  );
}

function scalarValue(node: Scalar.Parsed, pointer: string, reading: Reading): unknown {
  const { value, source = '' } = node;
  if (typeof value !== 'number') return value;
  const isWhole = !/^[-+]?[\d.]*[.eE]/.test(source);
  if (isWhole ? !Number.isSafeInteger(value) : !Number.isFinite(value)) {
    return report(unsafeNumber(pointer, source), node, reading);
  }
  if (!/^[-+]?0\d/.test(source)) return value;
  // Octal to some readers, decimal to others, and most often meant as text.
  const detail = `${source.slice(0, 40)} would arrive as ${value}; put it in quotes, or leave out the zeros in front`;
  return report({ pointer, code: 'unsafe_number', detail }, node, reading);
}

function report(problem: Problem, node: ParsedNode, { tree, problems }: Reading): null {
  if (problems.length < LIMITS.errorsPerProblem) {
    problems.push({ ...problem, line: tree.lineOf(node.range[0]) });
  }
  return null;
}

/** Finds places in a YAML text that was read before. */
export function findYamlLines(text: string, root: Place): void {
  const tree = readYamlTree(text);
  if (tree.root !== null) find(tree.root, tree.lineOf(tree.root.range[0]), root, tree);
}

// Only as deep as the places that are asked for.
function find(node: unknown, line: number, place: Place, tree: YamlTree): void {
  place.line = line;
  if (place.below.size === 0) return;
  if (isSeq<ParsedNode>(node)) {
    for (const [key, below] of place.below) {
      const item = node.items[Number(key)];
      if (item) find(item, tree.lineOf(item.range[0]), below, tree);
    }
  } else if (isMap<ParsedNode, ParsedNode | null>(node)) {
    for (const { key, value } of node.items) {
      const below = isScalar(key) ? place.below.get(String(key.value)) : undefined;
      if (below !== undefined) find(value, tree.lineOf(key.range[0]), below, tree);
    }
  }
}
