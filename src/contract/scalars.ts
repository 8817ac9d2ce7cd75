import { type Static, type TSchema, type TUnsafe, Type } from 'typebox';
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
