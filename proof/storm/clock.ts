/**
 * Loaded before a program (`--import`), sets its clock wrong by CLOCK_SKEW_MS milliseconds. `now` stays right: by it
 * ledgers of several programs can be compared.
 */
const real = Date;
const skew = Number(process.env.CLOCK_SKEW_MS ?? 0);

/** Milliseconds since 1970 by the clock of this machine. */
export const now = real.now.bind(real);

if (skew !== 0) {
  globalThis.Date = class extends real {
    constructor(...given: [] | [number | string]) {
      if (given.length === 0) super(real.now() + skew);
      else super(...given);
    }

    static override now(): number {
      return real.now() + skew;
    }
  } as DateConstructor;
}
