/**
 * Writes a job that verifies a file chunk by chunk, as TOML: one step for each chunk, with the checksum that the chunk
 * had when this was written, and a report over all of them.
 *
 *     npx node examples/chunk-manifest.ts FILE [CHUNKS] > chunks.toml
 */
import { createHash } from 'node:crypto';
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { stringify } from 'smol-toml';

const [file, wanted = '9999'] = process.argv.slice(2);
if (file === undefined || !/^[1-9]\d{0,3}$/.test(wanted)) {
  process.stderr.write(
    'usage: npx node examples/chunk-manifest.ts FILE [CHUNKS, at most 9999] > chunks.toml\n',
  );
  process.exit(2);
}
if (!existsSync(file)) {
  process.stderr.write(`there is no file ${file}\n`);
  process.exit(1);
}
process.stdout.write(stringify(writeJob(resolve(file), Number(wanted))));

/** The job, with one step more for the report: what each chunk of the file should be, and a report of what it turned out to be. */
function writeJob(path: string, most: number): object {
  const opened = openSync(path, 'r');
  const { size } = fstatSync(opened);
  const chunkSize = Math.max(1, Math.ceil(size / most));
  const chunk = Buffer.alloc(chunkSize);
  const steps = [];
  for (let index = 0; index * chunkSize < size; index++) {
    const length = readSync(opened, chunk, 0, chunkSize, index * chunkSize);
    const sha256 = createHash('sha256').update(chunk.subarray(0, length)).digest('hex');
    steps.push({ name: `chunk-${index}`, uses: 'shell', with: verify(chunkSize, index, sha256) });
  }
  closeSync(opened);
  const report = {
    name: 'report',
    needs: steps.map(({ name }) => name),
    if: 'always()',
    uses: 'value',
    with: {
      chunks: '${{ size(needs) }}',
      whole: "${{ size(needs.filter(n, n.status == 'succeeded')) }}",
      damaged: "${{ needs.filter(n, n.status == 'failed').map(n, n.name) }}",
    },
  };
  return {
    name: `verify-${basename(path)}`,
    input: { file: path },
    output: '${{ steps.report.output }}',
    steps: [...steps, report],
  };
}

/** What a chunk's step is given. Text goes to a script by `env`, never into it; the numbers here are our own. */
function verify(size: number, index: number, sha256: string): object {
  const read = `dd if="$FILE" bs=${size} skip=${index} count=1 status=none`;
  return {
    run: `${read} | sha256sum --check <(echo "$SHA256  -")`,
    env: { FILE: '${{ input.file }}', SHA256: sha256 },
  };
}
