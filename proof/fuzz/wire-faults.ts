import { BODY_FAULTS } from './body-faults.ts';
import { type Fault, HARMLESS, withBody } from './fault.ts';
import { FRAMING_FAULTS } from './framing-faults.ts';
import { HEAD_FAULTS } from './head-faults.ts';
import type { Chance } from './random.ts';
import type { Shot } from './shot.ts';

const FAULTS: Record<string, Fault> = { ...BODY_FAULTS, ...FRAMING_FAULTS, ...HEAD_FAULTS };

/** Breaks a request below what the document speaks of: bytes, framing, targets, headers, methods. */
export function breakWire(shot: Shot, chance: Chance): void {
  // Bytes are not broken where they could become another script.
  if (/\b(run|url)\b/.test(shot.body?.toString() ?? '')) withBody(shot, HARMLESS);
  for (let tries = 0; tries < 20; tries++) {
    const name = chance.pick(Object.keys(FAULTS));
    if (FAULTS[name]?.(shot, chance) === false) continue;
    shot.what = name;
    return;
  }
}
