import type { App } from '../context.ts';
import { baseUrl, type Page, sendPage } from '../page.ts';

/** `GET /` and `GET /v1`: where everything is. */
export function addStartPage(app: App, version: string): void {
  // `/v1` too: a server that starts prints it, and who clicks on it should arrive somewhere.
  for (const path of ['/', '/v1']) {
    app.get(path, { schema: { hide: true } }, (request, reply) =>
      sendPage(request, reply, startPage(version, baseUrl(request))),
    );
  }
}

function startPage(version: string, base: string): Page {
  return {
    title: `Holdfast ${version}`,
    blocks: [
      { kind: 'text', text: 'Submit a graph of steps; it is kept in PostgreSQL and runs to its end.' },
      {
        kind: 'links',
        links: [
          { path: '/docs', about: 'every call, to read and to try' },
          { path: '/v1/jobs', about: 'the jobs, newest first; `POST` submits one' },
          { path: '/openapi.json', about: 'the API for programs' },
          { path: '/schemas/job.json', about: 'the JSON Schema of a job, for editors' },
          { path: '/problems', about: 'what can go wrong, and what to do' },
          { path: '/health', about: 'how this server is' },
          { path: '/metrics', about: 'its figures, for Prometheus' },
        ],
      },
      { kind: 'text', text: 'A first job:' },
      {
        kind: 'code',
        text: `curl --json '{"name": "hello", "uses": "value", "with": "hi"}' \\\n  '${base}/v1/jobs?wait=10s'`,
      },
    ],
  };
}
