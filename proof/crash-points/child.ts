/**
 * The process that dies. Argument: the database's URL. It connects, says that it is ready, and waits for a line of JSON
 * that tells what to perform and where to die (`Order`). When its input ends without one it ends in peace.
 */
import { createInterface } from 'node:readline';
import { createDatabase, createPool } from '../../src/database/connection.ts';
import { createWakeUps } from '../../src/database/wake-ups.ts';
import type { Order } from './children.ts';
import { PATIENT } from './place.ts';
import { SCENARIOS } from './scenarios.ts';
import { dieWhenSent, type Statement, watchStatements } from './statements.ts';

const [url = ''] = process.argv.slice(2);
const die = () => void process.kill(process.pid, 'SIGKILL');

// One connection: all statements go through it, in one order.
const applicationName = `holdfast crash point ${process.pid}`;
const pool = createPool({ connection: url, max: 1, applicationName, timeouts: PATIENT });
const client = await pool.connect();
const store = { db: createDatabase(pool), wakeUps: createWakeUps() };
process.stdout.write('ready\n');

for await (const line of createInterface({ input: process.stdin })) {
  const { name, request, number, when } = JSON.parse(line) as Order;
  const scenario = SCENARIOS.find((one) => one.name === name);
  if (scenario === undefined) throw new Error(`there is no scenario "${name}"`);
  const isHere = (moment: Order['when'], statement: Statement) =>
    moment === when && statement.number === number;
  watchStatements(client, {
    before: (statement) => void (isHere('before', statement) && die()),
    sent: (statement) => void (isHere('sent', statement) && dieWhenSent(client, die)),
    answered: (statement) => void (isHere('answered', statement) && die()),
  });
  // Not before: the pool ends a connection that nobody uses for ten seconds, and watches none of those that follow.
  client.release();
  await scenario.run(store, request);
  break;
}
process.exit();
