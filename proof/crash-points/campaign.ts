import { type Child, fillCache, startChild } from './children.ts';
import type { Place } from './place.ts';
import type { Scenario } from './scenario.ts';
import { isCommit, type Point, WHENS } from './statements.ts';
import { type Prepared, prepare } from './trace.ts';
import { type Finding, type Outcome, tryPoint } from './try-point.ts';

/** What came of one scenario. */
export interface Report {
  name: string;
  statements: number;
  /** Of the statements, those that commit. */
  commits: number;
  points: number;
  outcomes: Record<Outcome, number>;
  broken: string[];
}

export interface Campaign {
  places: readonly Place[];
  scenarios: readonly Scenario[];
  /** A folder for compiled code. */
  cache: string;
  /** Which of a scenario's points are tried; all when absent. */
  choose?: (points: readonly Point[], prepared: Prepared) => readonly Point[];
  /** What becomes of the same rows afterwards is looked into once a scenario, not at every point. */
  once?: boolean;
  /** Told of each scenario when it is through. */
  done?: (report: Report) => void;
  signal?: AbortSignal;
}

/** Tries scenarios, one at a time in each place. Returns a report of each, in their order. */
export async function tryAll(campaign: Campaign): Promise<Report[]> {
  const { places, scenarios, cache } = campaign;
  const [first] = places;
  if (first) await fillCache(first.url, cache);
  const reports = new Map<Scenario, Report>();
  const left = [...scenarios];
  const work = async (place: Place) => {
    const children = inStock(() => startChild(place.url, cache));
    for (let one = left.shift(); one !== undefined; one = left.shift()) {
      const report = await tryScenario(campaign, place, one, children);
      reports.set(one, report);
      campaign.done?.(report);
    }
  };
  await Promise.all(places.map(work));
  return scenarios.map((one) => reports.get(one) as Report);
}

/** Gives what was started before, and starts the next one: it gets ready while this one is used. */
function inStock(start: () => Promise<Child>): () => Promise<Child> {
  let ready = start();
  return () => {
    const one = ready;
    ready = start();
    // Whoever takes it hears of that, and the last one is taken by nobody.
    ready.catch(() => {});
    return one;
  };
}

async function tryScenario(
  { choose = (points) => points, once = false, signal }: Campaign,
  place: Place,
  scenario: Scenario,
  newChild: () => Promise<Child>,
): Promise<Report> {
  const prepared = await prepare(place, scenario);
  const { statements, states } = prepared.trace;
  const points = statements.flatMap((statement) => WHENS.map((when) => ({ statement, when })));
  const report: Report = {
    name: scenario.name,
    statements: statements.length,
    commits: statements.filter(isCommit).length,
    points: 0,
    outcomes: { nothing: 0, everything: 0, 'a part': 0 },
    broken: [],
  };
  const changes = states.length - 1;
  const { commits = 1 } = scenario;
  if (changes !== commits)
    report.broken.push(`${scenario.name}: changes something by ${changes} commits, not ${commits}`);
  for (const point of choose(points, prepared)) {
    signal?.throwIfAborted();
    enter(report, point, await tryPoint(place, await newChild(), prepared, point, once));
  }
  return report;
}

const WORDS = { before: 'before', sent: 'when it had sent', answered: 'after the answer to' };

function enter(report: Report, { statement, when }: Point, { outcome, broken }: Finding): void {
  report.points += 1;
  if (outcome !== null) report.outcomes[outcome] += 1;
  const where = `${report.name}, killed ${WORDS[when]} statement ${statement.number} (${statement.text})`;
  report.broken.push(...broken.map((one) => `${where}: ${one}`));
}
