import { styleText } from 'node:util';

/** What a started server says of itself. */
export interface Banner {
  version: string;
  /** Where jobs are kept, for people. */
  keeps: string;
  /** For a terminal; else one line that programs may wait for. */
  pretty: boolean;
}

/**
 * The text with which a server says that it listens at `address` (`http://127.0.0.1:3000`). A server that listens on
 * every address of a machine says it for each; the later ones get a short line.
 */
export function createBanner({ version, keeps, pretty }: Banner): (address: string) => string {
  let said = false;
  return (address) => {
    if (!pretty) return `holdfast is ready: API ${address}/v1, docs ${address}/docs`;
    if (said) return `also at ${address}`;
    said = true;
    const row = (name: string, path: string) => `    ${name.padEnd(8)}${styleText('bold', address + path)}`;
    return [
      `holdfast ${version} is ready\n`,
      row('API', '/v1'),
      row('Docs', '/docs'),
      row('Health', '/health'),
      `\n    Jobs are kept in ${keeps}. Ctrl-C stops the server, and what is not done goes on at the next start.\n`,
    ].join('\n');
  };
}
