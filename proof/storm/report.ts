import type { Evidence } from './evidence.ts';
import { KILLS } from './faults.ts';
import type { Finding } from './judge.ts';
import type { LedgerLine } from './ledger.ts';

/** What was tried, counted from the ledgers and from what the database holds. */
export function countTried({ lines, rows, figures }: Evidence): [what: string, value: string][] {
  const of = <Kind extends LedgerLine['kind']>(kind: Kind) =>
    lines.filter((line): line is Extract<LedgerLine, { kind: Kind }> => line.kind === kind);
  const done = Map.groupBy(of('done'), ({ what }) => what);
  const kills = KILLS.reduce((sum, kind) => sum + (done.get(kind)?.length ?? 0), 0);
  const steps = [...rows.steps.values()].flat();
  const attempts = Map.groupBy([...rows.attempts.values()].flat(), ({ outcome }) => outcome);
  const refused = Map.groupBy(
    of('answered').filter(({ status }) => status !== 200),
    ({ status, code }) => `${status} ${code}`,
  );
  const executions = of('begun');
  const claims = new Set(executions.map(({ claim }) => claim));
  const repeats = Map.groupBy(of('accepted'), ({ key }) => key);
  const counted = (groups: ReadonlyMap<string, readonly unknown[]>) =>
    [...groups].map(([name, list]) => `${list.length} ${name}`).join(', ') || 'none';
  return [
    ['kills (SIGKILL)', String(kills)],
    ['all that was done', counted(done)],
    ['jobs, steps', `${rows.jobs.size}, ${steps.length}`],
    ['jobs by end', counted(Map.groupBy(rows.jobs.values(), ({ status }) => status))],
    ['executions that began, claims that they began under', `${executions.length}, ${claims.size}`],
    ['attempts that did not settle their step', counted(attempts)],
    ['results accepted', String(of('answered').filter(({ status }) => status === 200).length)],
    ['results refused', counted(refused)],
    [
      'submits that were answered more than once, with the same jobs',
      String([...repeats].filter(([, list]) => list.length > 1).length),
    ],
    [
      'jobs steered',
      counted(
        Map.groupBy(
          of('steered').filter(({ status }) => status === 200),
          ({ verb }) => verb,
        ),
      ),
    ],
    ...figures,
  ];
}

/** The verdict, and what was tried, as two tables in Markdown. */
export function reportOf(findings: readonly Finding[], tried: readonly [string, string][]): string {
  const rows = findings.map(({ what, found }) => `| ${what} | ${found.length} |`);
  const counts = tried.map(([what, value]) => `| ${what} | ${value.replaceAll('|', '\\|')} |`);
  return ['| must be 0 | found |\n|---|---|', ...rows, '\n| what was tried | |\n|---|---|', ...counts].join(
    '\n',
  );
}
