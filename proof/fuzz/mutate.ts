import { asHarmlessScript } from './definition.ts';
import type { Chance } from './random.ts';
import { nested, PROTOTYPE_NAMES, strangeNumber, strangeText, strangeValue } from './strange.ts';
import { Members } from './written.ts';

interface Place {
  key: string;
  value: unknown;
  put(value: unknown): void;
}

/** The same JSON with one thing wrong with it, or odd about it. What was given is left as it is. */
export function mutate(given: unknown, chance: Chance): unknown {
  const root = { value: structuredClone(given) };
  const places: Place[] = [];
  collect(
    root.value,
    '',
    (value) => {
      root.value = value;
    },
    places,
  );
  const place = chance.pick(places);
  place.put(safe(place.key, odd(place.value, chance)));
  return root.value;
}

function collect(value: unknown, key: string, put: (value: unknown) => void, places: Place[]): void {
  if (places.length > 500) return;
  places.push({ key, value, put });
  if (typeof value !== 'object' || value === null) return;
  const owner = value as Record<string, unknown>;
  for (const name of Object.keys(owner))
    collect(
      owner[name],
      Array.isArray(value) ? key : name,
      (next) => {
        owner[name] = next;
      },
      places,
    );
}

function odd(value: unknown, chance: Chance): unknown {
  if (chance.is(0.3)) return strangeValue(chance);
  if (typeof value === 'number')
    return chance.is(0.5) ? strangeNumber(chance) : value + chance.pick([1, -1, 0.5]);
  if (typeof value === 'string') return oddText(value, chance);
  if (Array.isArray(value)) return oddList(value, chance);
  if (typeof value === 'object' && value !== null) return oddObject(value as Record<string, unknown>, chance);
  return strangeValue(chance);
}

function oddText(text: string, chance: Chance): unknown {
  const kind = chance.below(6);
  if (kind === 0) return strangeText(chance);
  if (kind === 1) return text + strangeText(chance);
  if (kind === 2) return text.repeat(chance.pick([2, 50, 200]));
  if (kind === 3) return strangeNumber(chance);
  if (kind === 4) return [text];
  return text.slice(1);
}

function oddList(list: unknown[], chance: Chance): unknown {
  const kind = chance.below(6);
  if (kind === 0) return [];
  if (kind === 1) return [...list, strangeValue(chance)];
  if (kind === 2) return [...list, ...list];
  if (kind === 3) return { ...list };
  if (kind === 4) return nested(chance);
  return Array.from({ length: chance.pick([101, 1_001]) }, () => list[0] ?? null);
}

function oddObject(fields: Record<string, unknown>, chance: Chance): unknown {
  const entries = Object.entries(fields);
  const kind = chance.below(6);
  if (kind === 0) return {};
  if (kind === 1 && entries.length > 0)
    return new Members(entries.toSpliced(chance.below(entries.length), 1));
  if (kind === 2 && entries.length > 0) return new Members([...entries, chance.pick(entries)]);
  const name = chance.pick([
    ...PROTOTYPE_NAMES,
    'unknown',
    '',
    'Name',
    'depends_on',
    '\u0000',
    '\ud800',
    'n\u200bame',
  ]);
  if (kind === 3) return new Members([[name, strangeValue(chance)], ...entries]);
  if (kind === 4) return [fields];
  return new Members([...entries, [name, strangeValue(chance)]]);
}

/** Scripts and addresses are carried out: whatever they became, they change nothing and lead nowhere. */
function safe(key: string, value: unknown): unknown {
  if (typeof value !== 'string') return value;
  if (key === 'run') return asHarmlessScript(value);
  return key === 'url' ? `holdfast:${value}` : value;
}
