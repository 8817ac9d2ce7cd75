/**
 * Who may import whom in src/. Each room lists what it may reach; all else in src is closed to it. Type-only
 * imports count as much as others: a room that knows another's types cannot be understood without it.
 */
const rooms = [
  {
    room: 'contract',
    may: ['contract/', 'domain/(limits|json|duration|errors|blocked-by|job-status|step-status)\\.ts$'],
    why: 'What is said on the wire is shared with programs that hold no server: limits and words of the domain only.',
  },
  { room: 'domain', may: ['domain/'], why: 'The rules stand on nothing but themselves.' },
  { room: 'database', may: ['database/', 'domain/'], why: 'It knows how Postgres is reached, not what for.' },
  {
    room: 'repositories',
    may: ['repositories/', 'database/', 'domain/'],
    why: 'They keep and find rows; what is done with them is decided in operations.',
  },
  {
    room: 'operations',
    may: ['operations/', 'repositories/', 'database/', 'domain/'],
    why: 'The same verb serves HTTP and scheduler, so it knows neither; what actions offer is handed in.',
  },
  {
    room: 'actions',
    may: ['actions/', 'outbound/', 'domain/'],
    why: 'An action never touches the database: it gets its input and gives an outcome.',
  },
  { room: 'outbound', may: ['outbound/', 'domain/'], why: 'It stands below the actions that reach out.' },
  { room: 'telemetry', may: ['telemetry/', 'domain/'], why: 'Everybody may speak to it; it asks nobody.' },
  {
    room: 'scheduler',
    may: ['scheduler/', 'operations/', 'actions/', 'database/', 'telemetry/', 'domain/'],
    why: 'It reaches rows through operations only, so each move is written once.',
  },
  {
    room: 'http',
    may: [
      'http/',
      'operations/',
      'repositories/',
      'contract/',
      'telemetry/',
      'domain/',
      'database/(wake-ups|store)\\.ts$',
    ],
    why: 'It writes through operations and reads from repositories; of the database it knows the store it hands on, and wake-ups.',
  },
  {
    room: 'cli',
    may: ['cli/', 'contract/', 'domain/(limits|duration|job-status|step-status)\\.ts$', 'main\\.ts$'],
    why: 'It asks a server by the client package, as anybody would: of the server it knows what is said on the wire.',
  },
];

/** Packages that live in some rooms only. `from` is what may import them. */
const packages = [
  { name: 'pg', pattern: 'pg', from: ['database/'], why: 'The driver is reached through database/.' },
  {
    name: 'kysely',
    pattern: 'kysely',
    from: ['database/', 'repositories/', 'operations/'],
    why: 'SQL lives in repositories/.',
  },
  { name: 'fastify', pattern: '(fastify|@fastify)', from: ['http/'], why: 'HTTP lives in http/.' },
  { name: 'undici', pattern: 'undici', from: ['outbound/'], why: 'Whatever reaches out is checked there.' },
  {
    name: 'ipaddr',
    pattern: 'ipaddr\\.js',
    from: ['outbound/'],
    why: 'What an address may be is judged in one place.',
  },
  {
    name: 'terminal',
    pattern: '(commander|log-update|string-width)',
    from: ['cli/'],
    why: 'What people see on a terminal is laid out by the command line.',
  },
];

const under = (paths) => paths.map((path) => `^src/${path}`);

module.exports = {
  forbidden: [
    ...rooms.map(({ room, may, why }) => ({
      name: `${room}-reaches-too-far`,
      comment: why,
      severity: 'error',
      from: { path: `^src/${room}/` },
      to: { path: '^src/', pathNot: under(may) },
    })),
    ...packages.map(({ name, pattern, from, why }) => ({
      name: `${name}-outside-its-room`,
      comment: why,
      severity: 'error',
      from: { path: '^src/', pathNot: under(from) },
      to: { path: `(^|/)node_modules/(@types/)?${pattern}/` },
    })),
    {
      name: 'room-without-a-rule',
      comment: 'A new room under src/ says in this file what it may import.',
      severity: 'error',
      from: { path: '^src/[^/]+/', pathNot: under(rooms.map(({ room }) => `${room}/`)) },
      to: {},
    },
    {
      name: 'transaction-outside-an-operation',
      comment:
        'One operation, one transaction: whoever could open one elsewhere could write past the guards.',
      severity: 'error',
      from: { path: '^src/', pathNot: under(['operations/']) },
      to: { path: '^src/database/transaction\\.ts$' },
    },
    {
      name: 'config-outside-main',
      comment: 'Settings are read once and handed on as plain arguments.',
      severity: 'error',
      from: { path: '^src/', pathNot: under(['main\\.ts$']) },
      to: { path: '^src/config\\.ts$' },
    },
    {
      name: 'config-reaches-too-far',
      comment: 'Settings are made of limits, durations and the addresses that may be reached.',
      severity: 'error',
      from: { path: '^src/config\\.ts$' },
      to: { path: '^src/', pathNot: under(['domain/', 'outbound/(allow-list|address-filter)\\.ts$']) },
    },
    {
      name: 'main-is-imported',
      comment: 'It wires everything and starts it: importing it would start a server.',
      severity: 'error',
      // `holdfast serve` is there to start one.
      from: { pathNot: '^src/cli/commands/serve\\.ts$' },
      to: { path: '^src/main\\.ts$' },
    },
    {
      name: 'client-outside-the-command-line',
      comment: 'The server does not talk to itself over HTTP.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/cli/' },
      to: { path: '^client/' },
    },
    {
      name: 'client-reaches-out',
      comment:
        'Whoever installs the package gets client/ and nothing else; a page in a browser has not even Node.',
      severity: 'error',
      from: { path: '^client/' },
      to: { pathNot: '^client/src/' },
    },
    {
      name: 'domain-touches-the-world',
      comment: 'No clock, randomness, files or network in the rules: they are handed in.',
      severity: 'error',
      from: { path: '^src/domain/' },
      to: { dependencyTypes: ['core'], pathNot: '^(node:)?util$' },
    },
    {
      name: 'contract-uses-a-package',
      comment: 'Schemas are TypeBox and nothing else.',
      severity: 'error',
      from: { path: '^src/contract/' },
      to: { dependencyTypes: ['npm', 'npm-dev', 'core'], pathNot: '(^|/)node_modules/typebox/' },
    },
    {
      name: 'circular',
      comment: 'Of two files that need each other neither can be read first.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'orphan',
      comment: 'Nothing imports it and it imports nothing.',
      severity: 'error',
      from: { orphan: true, path: '^(src|client)/', pathNot: ['^src/main\\.ts$'] },
      to: {},
    },
    {
      name: 'unresolvable',
      comment: 'The import leads nowhere.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'not-a-dependency',
      comment: 'The server runs on `dependencies` of package.json alone, and names each that it imports.',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'src-leaves-src',
      comment: 'What runs in production does not stand on tests, scripts or benches.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|scripts|bench|examples)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
  },
};
