import { distance } from 'fastest-levenshtein';

/**
 * The candidate that a misspelt word most likely meant, or null when none is near: about one slip in three letters
 * is forgiven, case aside, and none in a word of less than three. Of equally near ones the first wins.
 */
export function suggest(word: string, candidates: Iterable<string>): string | null {
  const wanted = word.toLowerCase();
  let best: string | null = null;
  let slips = Math.min(3, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    // Two words are at least as far apart as their lengths: most of a long list is passed over here.
    if (Math.abs(candidate.length - word.length) >= slips || candidate === word) continue;
    const apart = distance(wanted, candidate.toLowerCase());
    if (apart >= slips) continue;
    best = candidate;
    slips = apart;
  }
  return best;
}

/** The end of a message: ``; did you mean `needs`?``, or nothing when no candidate is near. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const meant = suggest(word, candidates);
  return meant === null ? '' : `; did you mean \`${meant}\`?`;
}
