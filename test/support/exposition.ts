/** One line of figures. */
export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

/** One metric of an exposition. */
export interface Family {
  name: string;
  type: string;
  help: string;
  samples: Sample[];
}

/** What Prometheus reads in an answer of `/metrics`; throws on what it would not take. */
export function readExposition(text: string): Map<string, Family> {
  const families = new Map<string, Family>();
  let family: Family | undefined;
  let help = '';
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const about = /^# (HELP|TYPE) ([a-zA-Z_:][\w:]*) (.+)$/.exec(line);
    if (about?.[1] === 'HELP') help = about[3] as string;
    else if (about !== null) {
      const [, , name = '', type = ''] = about;
      if (families.has(name)) throw new Error(`${name} is there twice`);
      family = { name, type, help, samples: [] };
      families.set(name, family);
    } else {
      const sample = readSample(line);
      if (family === undefined || !belongs(sample.name, family)) throw new Error(`stray: ${line}`);
      family.samples.push(sample);
    }
  }
  for (const one of families.values()) checkFamily(one);
  return families;
}

function readSample(line: string): Sample {
  const read = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
  if (read === null) throw new Error(`this is no sample: ${line}`);
  const [, name = '', inside = '', value = ''] = read;
  const pairs = [...inside.matchAll(/([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/g)];
  if (pairs.map(([whole]) => whole).join('') !== inside) throw new Error(`these are no labels: ${line}`);
  const number = value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value);
  if (Number.isNaN(number)) throw new Error(`this is no figure: ${line}`);
  return { name, labels: Object.fromEntries(pairs.map(([, key, text]) => [key, text])), value: number };
}

function belongs(name: string, family: Family): boolean {
  if (family.type !== 'histogram') return name === family.name;
  return ['_bucket', '_sum', '_count'].some((ending) => name === `${family.name}${ending}`);
}

/** No series twice, counters not below zero, buckets that add up. */
function checkFamily({ name, type, samples }: Family): void {
  const series = samples.map((sample) => JSON.stringify([sample.name, Object.entries(sample.labels).sort()]));
  if (new Set(series).size < series.length) throw new Error(`${name} has a series twice`);
  if (type === 'counter' && samples.some(({ value }) => value < 0)) throw new Error(`${name} is below zero`);
  if (type !== 'histogram') return;
  const labelsOf = ({ labels: { le: _, ...labels } }: Sample) =>
    JSON.stringify(Object.entries(labels).sort());
  for (const group of Map.groupBy(samples, labelsOf).values()) {
    const buckets = group.filter((sample) => sample.name.endsWith('_bucket')).map(({ value }) => value);
    const count = group.find((sample) => sample.name.endsWith('_count'))?.value;
    const isRising = buckets.every((value, index) => value >= (buckets[index - 1] ?? 0));
    if (!isRising || buckets.at(-1) !== count) throw new Error(`the buckets of ${name} do not add up`);
  }
}

/** The figure of a series; null when there is none. For a histogram give the name with `_count` or `_sum`. */
export function figure(
  families: ReadonlyMap<string, Family>,
  name: string,
  labels: Record<string, string> = {},
): number | null {
  const family = families.get(name) ?? families.get(name.replace(/_(count|sum|bucket)$/, ''));
  const found = family?.samples.find(
    (sample) =>
      sample.name === name &&
      Object.keys(sample.labels).length === Object.keys(labels).length &&
      Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
  );
  return found?.value ?? null;
}
