/** What a claim's id stands for: a step, and the right to run it once. */
export interface ClaimKey {
  /** UUID. */
  job_id: string;
  ordinal: number;
  /** UUID, random. */
  claim_id: string;
}

const WIRE = /^[A-Za-z0-9_-]{48}$/;

/**
 * The id of a claim as the wire shows it: 48 characters of base64url that carry where the step is, so that it is found
 * by its primary key and no index on claim ids is needed. Opaque to everybody else.
 */
export function formatClaimId({ job_id, ordinal, claim_id }: ClaimKey): string {
  const hex = bare(job_id) + ordinal.toString(16).padStart(8, '0') + bare(claim_id);
  return Buffer.from(hex, 'hex').toString('base64url');
}

/** What an id of the wire stands for; null when no claim can have it. */
export function parseClaimId(text: string): ClaimKey | null {
  if (!WIRE.test(text)) return null;
  const hex = Buffer.from(text, 'base64url').toString('hex');
  const ordinal = Number.parseInt(hex.slice(32, 40), 16);
  const [job_id, claim_id] = [dashed(hex.slice(0, 32)), dashed(hex.slice(40))];
  // What a column of the database could not hold belongs to no step.
  if (ordinal > 2 ** 31 - 1) return null;
  return { job_id, ordinal, claim_id };
}

function bare(uuid: string): string {
  return uuid.replaceAll('-', '');
}

function dashed(hex: string): string {
  return [0, 8, 12, 16, 20].map((from, index) => hex.slice(from, [8, 12, 16, 20, 32][index])).join('-');
}
