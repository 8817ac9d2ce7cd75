/** How the command ends, for scripts; docs/cli.md explains each. */
export const EXIT = {
  succeeded: 0,
  failed: 1,
  usage: 2,
  unreachable: 3,
  cancelled: 4,
  wait_over: 124,
  interrupted: 130,
} as const;

/** By how a job ended; null while it has not. */
export function exitOfJob(status: string): number | null {
  if (status === 'succeeded') return EXIT.succeeded;
  if (status === 'failed') return EXIT.failed;
  return status === 'cancelled' ? EXIT.cancelled : null;
}
