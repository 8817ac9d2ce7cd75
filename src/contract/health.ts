import { type Static, Type } from 'typebox';
import { Count, Dictionary, Nullable } from './scalars.ts';

export const HealthCheck = Type.Object(
  {
    ok: Type.Boolean({ description: 'Whether this part works.' }),
    detail: Type.String({ description: 'The same in words.' }),
  },
  { additionalProperties: false },
);
export type HealthCheckBody = Static<typeof HealthCheck>;

export const Health = Type.Object(
  {
    status: Type.String({ enum: ['ok', 'unavailable'], description: '`ok` when every check is.' }),
    jobs_count: Nullable(
      Count("Jobs kept: exact up to 10,000, beyond that the database's estimate; null while it is away."),
    ),
    database: Type.Object(
      {
        kind: Type.String({ enum: ['embedded', 'external'], description: 'Who runs the database.' }),
        version: Type.String({ description: 'Version of PostgreSQL.' }),
        ok: Type.Boolean({ description: 'Whether it answers.' }),
      },
      { additionalProperties: false },
    ),
    version: Type.String({ description: 'Version of Holdfast.' }),
    uptime_ms: Count('Milliseconds since this server started.'),
    checks: Dictionary(HealthCheck, 'Each part of this server.'),
  },
  { $id: 'Health', additionalProperties: false },
);
export type HealthBody = Static<typeof Health>;

export const Probe = Type.Object(
  { status: Type.String({ enum: ['ok', 'unavailable'], description: '`ok`, or why not in one word.' }) },
  { $id: 'Probe', additionalProperties: false },
);
