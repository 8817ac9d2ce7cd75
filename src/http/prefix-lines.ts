/** A piece of somebody's text: whose it is, and the next bytes of it. */
export interface LabelledBytes {
  label: string;
  bytes: Buffer;
}

/**
 * Puts a label before each line of texts that come in pieces, whose ends need not be ends of lines or even of
 * characters. A text that does not end with a newline gets one before the next begins, and at the end. Labels are padded
 * to `width`, and hold ASCII alone.
 */
export async function* prefixLines(
  pieces: AsyncIterable<LabelledBytes>,
  width: number,
): AsyncGenerator<Buffer, void, void> {
  let current: string | null = null;
  let isAtStart = true;
  for await (const { label, bytes } of pieces) {
    let before = isAtStart ? '' : '\n';
    if (label === current) before = '';
    else isAtStart = true;
    current = label;
    // As Latin-1 each byte is a character and comes out as it was, half a letter too; searching goes at full speed.
    const text = bytes.toString('latin1');
    const prefix = `${label.padEnd(width)} | `;
    const isWhole = text.endsWith('\n');
    const lines = (isWhole ? text.slice(0, -1) : text).replaceAll('\n', `\n${prefix}`);
    yield Buffer.from(`${before}${isAtStart ? prefix : ''}${lines}${isWhole ? '\n' : ''}`, 'latin1');
    isAtStart = isWhole;
  }
  if (!isAtStart) yield Buffer.from('\n');
}
