import { parentPort, workerData } from 'node:worker_threads';
import { answerQuestion, type Question } from './parse-body.ts';

// The thread that `read-apart.ts` starts: answers one question, and ends.
parentPort?.postMessage(await answerQuestion(workerData as Question));
