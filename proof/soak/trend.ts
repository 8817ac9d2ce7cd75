/** One value at one time. `at` in any unit, as long as it is the same everywhere. */
export interface Point {
  at: number;
  value: number;
}

/** How much a quantity may grow over the time that is judged. Growth counts when it is past both. */
export interface Limit {
  /** Of its median. */
  ratio: number;
  /** In its own unit, so that a few bytes more of very little are no growth. */
  least: number;
  /**
   * Which quantile of each stretch of time is looked at: of what goes up and down by itself (a heap between two
   * collections, dead rows between two vacuums) the lower quartile, which only a leak lifts.
   */
  quantile: number;
}

export interface Trend {
  /** Of all points. */
  median: number;
  /** What the slope adds up to over the whole time, in the quantity's unit. */
  growth: number;
  /** The least that growth may be, with 99 of 100 certainty. */
  surely: number;
  /** Whether it grows, and by more than it may. */
  grows: boolean;
}

/** Neighbouring values depend on each other, and a saw has teeth: a stretch holds several of them, and counts once. */
const STRETCHES = 12;
const Z_99 = 2.576;

/**
 * Whether a quantity grows: the median of the slopes between all pairs of stretches (Theil and Sen), with the interval
 * that Kendall's statistic gives. Neither a few outliers nor a single step make a slope. Null for fewer points than
 * stretches.
 */
export function trendOf(points: readonly Point[], { ratio, least, quantile }: Limit): Trend | null {
  if (points.length < STRETCHES) return null;
  const stretches = stretchesOf(points, quantile);
  const slopes: number[] = [];
  for (const [index, later] of stretches.entries())
    for (const earlier of stretches.slice(0, index))
      slopes.push((later.value - earlier.value) / (later.at - earlier.at));
  slopes.sort((a, b) => a - b);
  const n = stretches.length;
  const spread = Z_99 * Math.sqrt((n * (n - 1) * (2 * n + 5)) / 18);
  const lowest = slopes[Math.max(0, Math.floor((slopes.length - spread) / 2))] ?? 0;
  const time = (points.at(-1)?.at ?? 0) - (points[0]?.at ?? 0);
  const median = quantileOf(
    points.map(({ value }) => value),
    0.5,
  );
  const growth = quantileOf(slopes, 0.5) * time;
  const surely = lowest * time;
  return { median, growth, surely, grows: surely > 0 && growth > Math.max(least, ratio * median) };
}

function stretchesOf(points: readonly Point[], quantile: number): Point[] {
  return Array.from({ length: STRETCHES }, (_, index) => {
    const from = Math.floor((points.length * index) / STRETCHES);
    const part = points.slice(from, Math.floor((points.length * (index + 1)) / STRETCHES));
    const value = quantileOf(
      part.map((point) => point.value),
      quantile,
    );
    return { at: part.reduce((sum, { at }) => sum + at, 0) / part.length, value };
  });
}

/** The value below which this part of the values lies; between two it is interpolated. 0 for none. */
export function quantileOf(values: readonly number[], quantile: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = (sorted.length - 1) * quantile;
  const low = sorted[Math.floor(place)] ?? 0;
  const high = sorted[Math.ceil(place)] ?? 0;
  return low + (high - low) * (place - Math.floor(place));
}
