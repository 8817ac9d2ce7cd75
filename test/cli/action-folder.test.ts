import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type FolderAction, openActionFolder } from '../../src/cli/action-folder.ts';
import { newDataDir, until } from '../support/embedded.ts';

it('the file of an action that is in use keeps its name, also while it is broken, and the other is told once', async () => {
  const path = newDataDir();
  const write = (file: string, text: string) => writeFileSync(join(path, file), text);
  let actions: FolderAction[] = [];
  let looks = 0;
  const troubles: string[] = [];
  write('sum.js', 'export default () => "sum";\n');
  const folder = await openActionFolder(path, {
    onActions: (now) => {
      actions = now;
      looks += 1;
    },
    onTrouble: (file, why) => void troubles.push(`${file}: ${why}`),
  });
  const files = () => actions.map(({ uses, file }) => `${uses} of ${file}`).join();
  try {
    write('aaa.js', 'export const uses = "sum";\nexport default () => "aaa";\n');
    await until(() => troubles.length === 1);
    expect(troubles).toEqual(['aaa.js: `sum` is the action of sum.js already']);
    expect(files()).toBe('sum of sum.js');

    write('sum.js', 'export default () => {\n');
    await until(() => troubles.length === 2);
    expect(troubles[1]).toMatch(/^sum\.js: .*; its former code stays in use$/);
    const before = looks;
    write('bbb.js', 'export default () => "bbb";\n');
    await until(() => looks > before);
    expect(files()).toBe('bbb of bbb.js,sum of sum.js');
    expect(troubles).toHaveLength(2);

    rmSync(join(path, 'sum.js'));
    await until(() => files() === 'sum of aaa.js,bbb of bbb.js');
  } finally {
    folder.close();
  }
});
