import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../test/support/server-process.ts';
import type { Answered } from './ledger.ts';

/** Put before a line of the worker in bash: the actions of the storm, which enter themselves into LEDGER. */
const BASH = String.raw`
begun() {
  printf '{"kind":"begun","worker":"%s","at":%s,"claim":"%s"}\n' "$WORKER" "$(date +%s%3N)" "$id" >>"$LEDGER"
}
do-echo() { begun && jq --arg claim "$id" '{$claim, above: (.above // [])}'; }
do-nap() { begun && sleep "$(jq .seconds)" && jq -n --arg claim "$id" '{$claim}'; }
`;

/** The same for the worker in Python, and the answers to its outcomes. */
const PYTHON = `
import os
def enter(**line):
    with open(os.environ['LEDGER'], 'a') as ledger:
        ledger.write(json.dumps({**line, 'worker': NAME, 'at': time.time_ns() // 1000000}, separators=(',', ':')) + '\\n')
def echo(given, step):
    enter(kind='begun', claim=step['id'], attempt=step['attempt'])
    return {'claim': step['id'], 'above': (given or {}).get('above', [])}
def short_nap(given, step):
    enter(kind='begun', claim=step['id'], attempt=step['attempt'])
    time.sleep(given['seconds'])
    return {'claim': step['id']}
ACTIONS.update(echo=echo, nap=short_nap)
asked = call
def call(path, body, method='POST'):
    answer = asked(path, body, method)
    if path.endswith(('/complete', '/fail')):
        status, _, problem = answer.get('refused', '200 {}').partition(' ')
        enter(kind='answered', claim=path.split('/')[2], sent='succeeded' if 'output' in body else 'failed',
            status=int(status), outcome=answer.get('outcome'), code=json.loads(problem).get('code'))
    return answer

`;

/** What is started for a worker of the examples, with the storm's actions added to a copy of it. */
export function exampleWorker(
  language: 'bash' | 'python',
  folder: string,
): { program: string; file: string } {
  const [source, before, added, program] =
    language === 'bash'
      ? ['worker.sh', /^api\(\) \{/m, BASH, 'bash']
      : (['worker.py', /^def run\(step\):/m, PYTHON, 'python3'] as const);
  const text = readFileSync(join(ROOT, 'examples/workers', source), 'utf8');
  if (!before.test(text)) throw new Error(`${source} has no place for the actions of the storm any more`);
  mkdirSync(folder, { recursive: true });
  const file = join(folder, source);
  writeFileSync(
    file,
    text.replace(before, (line) => `${added}${line}`),
  );
  return { program, file };
}

/** What the worker in bash prints about the answers to its outcomes. */
export function answerPrinted(line: string): Pick<Answered, 'claim' | 'status' | 'outcome' | 'code'> | null {
  const [, status = '', json = ''] = /: (\d{3}) (\{.*\})$/.exec(line) ?? [];
  if (json === '') return null;
  const { id, outcome, code, instance } = JSON.parse(json) as Record<string, string | undefined>;
  const claim = id ?? /^\/v1\/claims\/([^/]+)\/complete$/.exec(instance ?? '')?.[1];
  return claim === undefined ? null : { claim, status: Number(status), outcome, code };
}
