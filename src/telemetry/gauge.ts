import { Gauge, type Registry } from 'prom-client';

/** A gauge of ours; `collect` is called before each scrape. */
export function gaugeOf<Label extends string>(
  registry: Registry,
  about: { name: string; help: string; labelNames?: Label[]; collect?: () => void },
): Gauge<Label> {
  return new Gauge({ ...about, name: `holdfast_${about.name}`, registers: [registry] });
}
