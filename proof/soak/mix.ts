import type { JobDefinition } from '../../client/src/index.ts';

type Steps = NonNullable<JobDefinition['steps']>;

/** A kind of job, and what becomes of it. */
export interface Kind {
  name: string;
  definition(service: string): Partial<JobDefinition>;
  /** What its client does: cancels it while it runs, or opens it again when it failed. */
  does?: 'cancel' | 'retry';
  ends: 'succeeded' | 'failed' | 'cancelled';
}

const value = (name: string, needs: string[] = []) => ({ name, needs, uses: 'value', with: { of: name } });

/** One step, eight that need it, and one that needs those; `uses` for the eight. */
function fan(uses: string): Steps {
  const middle = Array.from({ length: 8 }, (_, i) => ({
    ...{ name: `m${i}`, needs: ['first'], uses },
    with: { of: '${{ steps.first.output.of }}', lines: i },
  }));
  const last = { name: 'last', needs: middle.map(({ name }) => name), uses: 'value' };
  return [value('first'), ...middle, { ...last, with: { all: '${{ needs.map(need, need.output) }}' } }];
}

function chain(): Steps {
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
  return names.map((name, i) => ({
    ...value(name, i === 0 ? [] : [names[i - 1] as string]),
    ...(name === 'e' ? { if: 'steps.a.output.of == "a"' } : {}),
  }));
}

/** What takes time, writes a log, asks a service, fails at first. */
function mixed(service: string): Steps {
  return [
    { name: 'pause', uses: 'wait', with: { for: '300ms' } },
    { name: 'script', uses: 'shell', with: { run: 'for i in 1 2 3 4 5; do echo "line $i of five"; done' } },
    { name: 'ask', uses: 'http', with: { url: service } },
    { name: 'unlucky', uses: 'unlucky', retry: { max_attempts: 3, delay: '200ms' } },
    { name: 'far', needs: ['pause', 'script'], uses: 'echo', with: { lines: 20 } },
    { name: 'never', needs: ['ask'], if: 'steps.ask.output.status != 200', uses: 'echo' },
    { name: 'end', needs: ['far', 'ask', 'unlucky'], uses: 'value', with: { ok: true } },
  ];
}

const loose = () => Array.from({ length: 16 }, (_, i) => ({ ...value(`l${i}`) }));

const KINDS = {
  fan: { name: 'fan', definition: () => ({ steps: fan('value') }), ends: 'succeeded' },
  chain: { name: 'chain', definition: () => ({ steps: chain() }), ends: 'succeeded' },
  remote: { name: 'remote', definition: () => ({ steps: fan('echo') }), ends: 'succeeded' },
  mixed: {
    name: 'mixed',
    definition: (service) => ({ steps: mixed(service), output: { ok: '${{ steps.end.output.ok }}' } }),
    ends: 'succeeded',
  },
  loose: { name: 'loose', definition: () => ({ steps: loose(), max_parallel: 4 }), ends: 'succeeded' },
  single: { name: 'single', definition: () => ({ uses: 'value', with: { of: 1 } }), ends: 'succeeded' },
  late: { name: 'late', definition: () => ({ delay: '1s', priority: 1, uses: 'echo' }), ends: 'succeeded' },
  failed: {
    name: 'failed',
    definition: () => ({ steps: [{ name: 'a', uses: 'refuse' }, value('b', ['a']), value('c')] }),
    ends: 'failed',
  },
  retried: {
    name: 'retried',
    definition: () => ({ steps: [{ name: 'a', uses: 'unlucky' }, value('b', ['a']), value('c')] }),
    does: 'retry',
    ends: 'succeeded',
  },
  cancelled: {
    name: 'cancelled',
    definition: () => ({
      steps: [{ name: 'a', uses: 'nap', with: { ms: 60_000 } }, value('b', ['a']), value('c')],
    }),
    does: 'cancel',
    ends: 'cancelled',
  },
} satisfies Record<string, Kind>;

const { fan: f, chain: c, remote: r, mixed: m, loose: l, single: s, late: t } = KINDS;
const ROUND: readonly Kind[] = [
  ...[f, c, r, m, f, r, KINDS.failed, c, f, l],
  ...[r, f, KINDS.retried, m, c, s, f, KINDS.cancelled, t, r],
];

/** The kind of the job of this number: they come round in turn, so that any twenty in a row are alike. */
export function kindOf(number: number): Kind {
  return ROUND[number % ROUND.length] as Kind;
}

/** The job of this number. One of its labels is its own, as the number of an order would be. */
export function jobOf(number: number, service: string): JobDefinition {
  const kind = kindOf(number);
  return {
    name: `soak-${kind.name}`,
    labels: { kind: kind.name, order: String(number) },
    ...kind.definition(service),
  };
}
