import { type DurationBounds, parseDuration } from '../duration.ts';
import type { Problem } from '../errors.ts';
import type { Json, JsonObject } from '../json.ts';
import { LIMITS } from '../limits.ts';
import { pointerTo } from '../storable.ts';
import { describeUnknownField, FIELDS, type Place } from './fields.ts';

/** Reading the fields of a definition: each reader gives the value, or undefined when it is absent or was refused. */

/** What is wrong so far, up to the limit of entries in an answer. */
export interface Problems {
  list: Problem[];
  add(pointer: string, code: string, detail: string): void;
  /** Whether nothing more can be added, so that looking on is of no use. */
  isFull(): boolean;
}

export function collectProblems(): Problems {
  const list: Problem[] = [];
  return {
    list,
    add(pointer, code, detail) {
      if (list.length < LIMITS.errorsPerProblem) list.push({ pointer, code, detail });
    },
    isFull: () => list.length >= LIMITS.errorsPerProblem,
  };
}

/** An object of the definition and where it stands. */
export interface Section {
  fields: JsonObject;
  pointer: string;
  problems: Problems;
}

/** Refuses the keys that are no fields of this place. */
export function refuseUnknownFields(section: Section, place: Place): void {
  for (const key of Object.keys(section.fields)) {
    if (FIELDS[place].includes(key)) continue;
    // What was meant is searched for, and there may be a million of them.
    if (section.problems.isFull()) return;
    section.problems.add(pointerTo(section.pointer, key), 'unknown_field', describeUnknownField(place, key));
  }
}

/** The value of a field, undefined when it is absent. No field is called like something that every object inherits. */
export function fieldOf(section: Section, key: string): Json | undefined {
  return section.fields[key];
}

/** Refuses the value of a field. Gives undefined, so that a reader can end with it. */
export function refuse(section: Section, key: string, detail: string, code = 'invalid_value'): undefined {
  section.problems.add(pointerTo(section.pointer, key), code, detail);
  return undefined;
}

/** What a value is, for the end of a sentence: `it is a list`. */
export function describeValue(value: Json): string {
  if (value === null) return 'it is null; leave the field out instead';
  if (Array.isArray(value)) return 'it is a list';
  if (typeof value === 'object') return 'it is an object';
  const text = JSON.stringify(value);
  return `it is ${text.length > 60 ? `${text.slice(0, 60)}…` : text}`;
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A text of 1 to `length` characters, matching `pattern`; `wanted` ends "must be …". */
export function readText(section: Section, key: string, pattern: RegExp, wanted: string): string | undefined {
  const value = fieldOf(section, key);
  if (value === undefined) return undefined;
  if (typeof value === 'string' && pattern.test(value)) return value;
  return refuse(section, key, `\`${key}\` must be ${wanted}; ${describeValue(value)}`);
}

export function readInteger(section: Section, key: string, min: number, max: number): number | undefined {
  const value = fieldOf(section, key);
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
  return refuse(
    section,
    key,
    `\`${key}\` must be a whole number from ${min} to ${max}; ${describeValue(value)}`,
  );
}

export function readFlag(section: Section, key: string): boolean | undefined {
  const value = fieldOf(section, key);
  if (value === undefined || typeof value === 'boolean') return value;
  return refuse(section, key, `\`${key}\` must be true or false; ${describeValue(value)}`);
}

/** A duration in milliseconds. */
export function readDuration(section: Section, key: string, bounds: DurationBounds): number | undefined {
  const value = fieldOf(section, key);
  if (value === undefined) return undefined;
  if (typeof value !== 'string' && typeof value !== 'number') {
    const wanted = 'must be a duration such as "30s", "5m" or "1h30m", or whole seconds';
    return refuse(section, key, `\`${key}\` ${wanted}; ${describeValue(value)}`, 'invalid_duration');
  }
  const read = parseDuration(value, bounds);
  return read.ok ? read.ms : refuse(section, key, `\`${key}\`: ${read.message}`, 'invalid_duration');
}

/** An object below this one, its keys checked against the fields of its place; absent is an empty one. */
export function readSection(section: Section, key: string, place: Place): Section {
  const value = fieldOf(section, key);
  const below: Section = { ...section, fields: {}, pointer: pointerTo(section.pointer, key) };
  if (isObject(value)) {
    below.fields = value;
    refuseUnknownFields(below, place);
  } else if (value !== undefined) {
    const example = place === 'retry' ? '{"max_attempts": 3}' : '{"timeout": "5m"}';
    refuse(section, key, `\`${key}\` must be an object such as ${example}; ${describeValue(value)}`);
  }
  return below;
}
