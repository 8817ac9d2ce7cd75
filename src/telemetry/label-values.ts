/** What values beyond the cap of a label are counted under. */
export const OTHER = 'other';

// Action and queue names are the users': a series is kept for each value ever seen, here and in what scrapes us.
const MOST_VALUES = 40;

/** Lets the first values of a label pass and turns all later ones into `other`. Counts share it where names are shared. */
export function capValues(most: number = MOST_VALUES): (value: string) => string {
  const known = new Set<string>();
  return (value) => {
    if (known.has(value)) return value;
    if (known.size >= most) return OTHER;
    known.add(value);
    return value;
  };
}
