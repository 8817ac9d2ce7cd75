import { type Static, type TSchema, type TUnsafe, Type } from 'typebox';
import { DURATION_PATTERN } from '../domain/duration.ts';
import type { Json } from '../domain/json.ts';

/** A schema or null. Written as a list of types, which serialises faster than a union. */
export function Nullable<Schema extends TSchema & { type: string }>(
  schema: Schema,
): TUnsafe<Static<Schema> | null> {
  return Type.Unsafe<Static<Schema> | null>({ ...schema, type: [schema.type, 'null'] });
}

/** An instant, as RFC 3339 in UTC with milliseconds. */
export function Timestamp(description: string) {
  return Type.String({ format: 'date-time', description, examples: ['2026-11-20T08:00:00.000Z'] });
}

/** One of a few words. */
export function OneOf<const Word extends string>(
  words: readonly Word[],
  description: string,
  example?: Word,
): TUnsafe<Word> {
  const examples = example === undefined ? {} : { examples: [example] };
  return Type.Unsafe<Word>({ type: 'string', enum: [...words], description, ...examples });
}

/** Any JSON value: what users give and get as they like. */
export function AnyJson(description: string): TUnsafe<Json> {
  return Type.Unsafe<Json>({ description });
}

/** How a duration is written as text: with units, or as whole seconds. */
export const DURATION_TEXT = `${DURATION_PATTERN.source}|^\\d+$`;

/** A duration in a body: text such as "1h30m", or whole seconds, of which there are at least `seconds`. */
export function Duration(description: string, examples: string[], seconds = 1) {
  return Type.Unsafe<string | number>({
    anyOf: [
      { type: 'string', pattern: DURATION_TEXT },
      { type: 'integer', minimum: seconds },
    ],
    description: `${description} Units \`d h m s ms\`, such as "1h30m", or whole seconds.`,
    examples,
  });
}

/** A whole number that is not negative. */
export function Count(description: string) {
  return Type.Integer({ minimum: 0, description });
}

/** A reference to a schema that has an `$id`: the document then describes it once, under that name. */
export function Named<Schema extends TSchema>(schema: Schema): TUnsafe<Static<Schema>> {
  return Type.Unsafe<Static<Schema>>({ $ref: `${(schema as { $id?: string }).$id}#` });
}

/** An object whose keys are the user's. */
export function Dictionary<Schema extends TSchema>(
  values: Schema,
  description: string,
): TUnsafe<Record<string, Static<Schema>>> {
  return Type.Unsafe<Record<string, Static<Schema>>>({
    type: 'object',
    additionalProperties: values,
    description,
  });
}

/** Where the next page of a list starts. */
export const NextCursor = Type.Unsafe<string | null>({
  type: ['string', 'null'],
  description: 'Give it as `cursor` to get the next page; null on the last one.',
});
