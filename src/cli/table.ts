import stringWidth from 'string-width';

/**
 * Lays out rows below their headings, two spaces between columns. The last column is not padded; with `width` it is cut
 * where the line would break. Cells may hold colours.
 */
export function layOut(headings: string[], rows: string[][], width = Number.POSITIVE_INFINITY): string {
  const lines = [headings, ...rows];
  const widths = headings.map((_, column) =>
    Math.max(...lines.map((line) => stringWidth(line[column] ?? ''))),
  );
  const last = headings.length - 1;
  const before = widths.slice(0, last).reduce((sum, each) => sum + each + 2, 0);
  return lines
    .map((line) =>
      headings
        .map((_, column) => {
          const cell = line[column] ?? '';
          if (column === last) return shorten(cell, Math.max(width - before, 10));
          return cell + ' '.repeat((widths[column] as number) - stringWidth(cell));
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** At most so wide, with `…` for what is left out; colours are lost when something is. */
export function shorten(text: string, width: number): string {
  if (stringWidth(text) <= width) return text;
  let kept = '';
  let wide = 0;
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    const next = stringWidth(segment);
    if (wide + next > width - 1) break;
    kept += segment;
    wide += next;
  }
  return `${kept}…`;
}
