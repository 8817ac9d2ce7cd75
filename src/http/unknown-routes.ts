import { distance } from 'fastest-levenshtein';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../domain/errors.ts';
import { pathOf, sendProblem } from './problem-details.ts';

interface KnownRoute {
  method: string;
  segments: string[];
}

/**
 * Answers what no route serves: 405 with `Allow` where other methods are served, else 404 that names the nearest
 * route. Call it before any route is added: it listens for them.
 */
export function answerUnknownRoutes(app: FastifyInstance): void {
  const routes: KnownRoute[] = [];
  app.addHook('onRoute', ({ method, url }) => {
    for (const one of [method].flat()) routes.push({ method: one, segments: split(url) });
  });
  // `/v1/jobs/cleanup` is never the id of a job, whatever the method.
  app.addHook('onRequest', async (request, reply) => {
    if (request.routeOptions.url?.includes(':') !== true) return;
    const segments = split(pathOf(request.url));
    if (routes.some((route) => isLiteral(route, segments))) return answer(routes, request, reply);
  });
  app.setNotFoundHandler((request, reply) => answer(routes, request, reply));
}

function answer(routes: readonly KnownRoute[], request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const path = pathOf(request.url);
  const segments = split(path);
  // An empty part is nobody's: `/v1//jobs` is not served, so that no method is.
  const methods = path.includes('//') ? [] : methodsOf(routes, segments);
  if (methods.length > 0) {
    const allow = methods.join(', ');
    const detail = `${shorten(path)} does not take ${request.method}; it takes ${allow}`;
    return sendProblem(reply.header('allow', allow), new AppError('method_not_allowed', detail));
  }
  const nearest = nearestPath(routes, segments);
  const hint =
    nearest === null
      ? 'all routes are at /docs'
      : `did you mean ${shorten(nearest)}? All routes are at /docs`;
  return sendProblem(reply, new AppError('route_not_found', `there is nothing at ${shorten(path)}; ${hint}`));
}

function methodsOf(routes: readonly KnownRoute[], segments: string[]): string[] {
  const fixed = routes.filter((route) => isLiteral(route, segments));
  const serving = fixed.length > 0 ? fixed : routes.filter((route) => fits(route.segments, segments));
  // A catch-all serves files of the browser docs; it does not make every path below it a place.
  return [...new Set(serving.map((route) => route.method))].sort();
}

/** Whether a route serves this path by its words alone, without a parameter. */
function isLiteral(route: KnownRoute, segments: readonly string[]): boolean {
  return (
    route.segments.length === segments.length &&
    route.segments.every((part, index) => part === segments[index])
  );
}

function fits(pattern: readonly string[], segments: readonly string[]): boolean {
  if (pattern.length !== segments.length) return false;
  return pattern.every((part, index) => part.startsWith(':') || part === segments[index]);
}

function nearestPath(routes: readonly KnownRoute[], segments: string[]): string | null {
  if (methodsOf(routes, segments).length > 0) return join(segments);
  if (methodsOf(routes, ['v1', ...segments]).length > 0) return join(['v1', ...segments]);
  const given = join(segments);
  let best: string | null = null;
  let slips = 4;
  for (const route of routes) {
    if (route.segments.length !== segments.length || route.segments.includes('*')) continue;
    const candidate = join(
      route.segments.map((part, i) => (part.startsWith(':') ? (segments[i] as string) : part)),
    );
    const apart = distance(given, candidate);
    if (apart >= slips) continue;
    best = candidate;
    slips = apart;
  }
  return best;
}

function split(path: string): string[] {
  return path.split('/').filter((part) => part !== '');
}

function join(segments: readonly string[]): string {
  return `/${segments.join('/')}`;
}

function shorten(text: string): string {
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}
