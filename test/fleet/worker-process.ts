/** One worker process of the fleet: its options as JSON. Says so when it is registered; ends with its parent. */
import { fleetWorker } from './workers.ts';

const worker = fleetWorker(JSON.parse(process.argv[2] ?? '{}'));
process.stdin.resume();
process.stdin.once('close', () => process.exit(1));
await worker.start();
process.stdout.write('registered\n');
