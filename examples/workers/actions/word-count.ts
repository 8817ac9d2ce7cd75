import type { ActionContext } from 'holdfast-client';

/** Counts the words of `text`, for example `with: {text: "one two"}`. */
export default async function wordCount({ input, signal, log, progress }: ActionContext<{ text: string }>) {
  const lines = input.text.split('\n');
  let words = 0;
  for (const [index, line] of lines.entries()) {
    // Set once the job was cancelled or the claim lost: nobody waits for the result any more.
    signal.throwIfAborted();
    words += line.split(/\s+/).filter((word) => word !== '').length;
    progress((index + 1) / lines.length);
  }
  log(`${words} words in ${lines.length} lines`);
  return { words };
}
