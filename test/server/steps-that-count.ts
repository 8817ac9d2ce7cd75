import { readFileSync } from 'node:fs';
import type { Answer } from '../support/api.ts';
import { send } from '../support/api.ts';
import { until } from '../support/embedded.ts';

/** What a test asks a server for: a job or a step, loosely typed. */
type Body = Answer['json'];

/**
 * A job of `levels` × `width` shell steps, each of which needs two of the level above. A step appends `name attempt`
 * to a file, so that every execution can be counted; each fifth one then takes `slowSeconds`.
 */
export function countingJob(file: string, { levels = 5, width = 40, slowSeconds = 0.1 } = {}): object {
  const nameOf = (level: number, index: number) => `s${level}_${index}`;
  const steps = Array.from({ length: levels * width }, (_, ordinal) => {
    const level = Math.floor(ordinal / width);
    const index = ordinal % width;
    const above = [index, (index + 7) % width].map((other) => nameOf(level - 1, other));
    const wait = index % 5 === 0 ? `; sleep ${slowSeconds}` : '';
    return {
      name: nameOf(level, index),
      uses: 'shell',
      needs: level === 0 ? [] : above,
      with: { run: `echo "$HOLDFAST_STEP $HOLDFAST_ATTEMPT" >> "$FILE"${wait}`, env: { FILE: file } },
    };
  });
  return { name: 'counting', steps };
}

/** How often each step ran, by the file that its executions wrote: the attempts, in order. */
export function executions(file: string): Map<string, number[]> {
  const ran = new Map<string, number[]>();
  for (const line of readFileSync(file, 'utf8').split('\n').slice(0, -1)) {
    const [name = '', attempt] = line.split(' ');
    ran.set(name, [...(ran.get(name) ?? []), Number(attempt)]);
  }
  return ran;
}

export async function submit(server: { port: number }, definition: object): Promise<string> {
  const answer = await send(server.port, 'POST', '/v1/jobs', { body: definition });
  if (answer.status !== 202) throw new Error(`refused: ${answer.text}`);
  return answer.json.id;
}

async function get(server: { port: number }, path: string): Promise<Body> {
  const answer = await send(server.port, 'GET', path);
  if (answer.status !== 200) throw new Error(`${path} gave ${answer.status}: ${answer.text}`);
  return answer.json;
}

export async function getStep(server: { port: number }, id: string, name: string): Promise<Body> {
  return get(server, `/v1/jobs/${id}/steps/${name}`);
}

export async function allSteps(server: { port: number }, id: string): Promise<Body[]> {
  return (await get(server, `/v1/jobs/${id}/steps?limit=500`)).data;
}

/** Waits, by asking again and again, until the job is as wanted; a server that is away meanwhile is asked again too. */
export async function untilJob(
  server: { port: number },
  id: string,
  wanted: (job: Body) => boolean,
  deadlineMs = 20_000,
): Promise<Body> {
  let job: Body;
  await until(async () => {
    const answer = await get(server, `/v1/jobs/${id}`).catch(() => undefined);
    job = answer ?? job;
    return answer !== undefined && wanted(answer);
  }, deadlineMs).catch(() => {
    throw new Error(`waited in vain; the job is now ${JSON.stringify(job)}`);
  });
  return job;
}

export const isOver = (job: Body) => job.finished_at !== null;
