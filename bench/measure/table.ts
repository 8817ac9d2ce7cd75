import stringWidth from 'string-width';

type Rows = readonly (readonly string[])[];

const padded = (text: string, width: number) => text + ' '.repeat(Math.max(0, width - stringWidth(text)));

/** Columns as wide as what stands in them; a first cell that repeats the one above it is left out. */
export function textTable(heads: readonly string[], rows: Rows): string {
  const all = [heads, ...rows];
  const widths = heads.map((_, column) => Math.max(...all.map((row) => stringWidth(row[column] ?? ''))));
  const line = (row: readonly string[]) =>
    widths
      .map((width, column) => padded(row[column] ?? '', width))
      .join('  ')
      .trimEnd();
  const body = rows.map((row, index) => line(row[0] === rows[index - 1]?.[0] ? ['', ...row.slice(1)] : row));
  return [line(heads), line(widths.map((width) => '─'.repeat(width))), ...body].join('\n');
}

export function markdownTable(heads: readonly string[], rows: Rows): string {
  const line = (row: readonly string[]) =>
    `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(heads), `|${heads.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n');
}
