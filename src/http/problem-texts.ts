import type { ErrorCode } from '../domain/errors.ts';

/** What the page of a code says. Sentences may hold `code` between backquotes, and nothing else of Markdown. */
export interface ProblemText {
  /** What has happened, whatever the request was. */
  means: string;
  /** What whoever asked can do about it. */
  remedy: string;
}

/** A code that is missing here does not compile. */
export const PROBLEM_TEXTS: Record<ErrorCode, ProblemText> = {
  bad_request: {
    means: 'What arrived is not a whole, readable HTTP request: a URL, a header or a length does not hold.',
    remedy: 'Look at what your client or a proxy in between really sends; `curl -v` shows it.',
  },
  invalid_json: {
    means: 'The body was announced as JSON and is none, or there is no body where one is needed.',
    remedy: 'Mend it at the line and column that `detail` names; `jq . file.json` finds the same place.',
  },
  invalid_yaml: {
    means:
      'The body was announced as YAML and is none, or holds what is not taken of YAML: anchors and aliases, tags, ' +
      'merge keys, directives, a second document.',
    remedy:
      'Mend it at the line and column that `detail` names. Quotes help most often: `if: "!failure()"`, ' +
      '`run: "echo a: b"`. Sent with `curl --data-binary`, not with `-d`, which takes out the line breaks.',
  },
  invalid_toml: {
    means: 'The body was announced as TOML and is none, or a key or table stands in it twice.',
    remedy:
      'Mend it at the line and column that `detail` names. Each step begins with `[[steps]]`, and text stands in quotes.',
  },
  invalid_query: {
    means: 'A parameter after the `?` is unknown, missing or has a value that it cannot have.',
    remedy: 'Correct the parameter that the pointer names; those that a call takes are at `/docs`.',
  },
  invalid_header: {
    means: 'A header that this call reads has a value that it cannot have.',
    remedy: 'Correct the header that `detail` names, or leave it out.',
  },
  invalid_cursor: {
    means: 'The `cursor` was not given by this list: it was changed, cut off, or belongs to another list.',
    remedy:
      'Give `next_cursor` as it came, with the same filters; or leave `cursor` out to start at the beginning.',
  },
  invalid_definition: {
    means:
      'The body is well-formed, but not a job: fields are unknown, names do not fit, the graph has a circle.',
    remedy:
      'Correct everything in `errors`: each entry points at one place and says what to write instead. Nothing was ' +
      'stored. Editors complete and check definitions by the schema at `/schemas/job.json`.',
  },
  invalid_body: {
    means: 'The body is well-formed, but holds something that this call does not take or cannot keep.',
    remedy: 'Correct what `detail` and `errors` name, and send it again.',
  },
  idempotency_conflict: {
    means:
      'This `Idempotency-Key` was sent before, with another body. The earlier job is untouched, no new one was made.',
    remedy: 'Make a new key for each new job; repeat a key only with the very same body.',
  },
  job_not_found: {
    means: 'No job has this id: it was mistyped, belongs to another database, or the job was deleted.',
    remedy: 'Look it up with `GET /v1/jobs?name=…`. A job that was deleted or cleaned up does not come back.',
  },
  step_not_found: {
    means: 'The job is there, and none of its steps has this name.',
    remedy:
      'The names are in `GET /v1/jobs/{id}/steps`. A job that was submitted without `steps` has one, called `main`.',
  },
  attempt_not_found: {
    means: 'The step has not had that many attempts.',
    remedy:
      'Leave `attempt` out for the latest; `GET /v1/jobs/{id}/steps/{name}` lists those that there are.',
  },
  problem_not_found: {
    means: 'There is no kind of problem with this code, so there is no page about it.',
    remedy: 'All codes are at `/problems`. A newer server may know codes that this one does not.',
  },
  route_not_found: {
    means: 'Nothing is served at this path.',
    remedy: 'Compare it with the calls at `/docs`. The API begins with `/v1`.',
  },
  method_not_allowed: {
    means: 'The path is right, but not for this method.',
    remedy: 'Use one that the header `Allow` names.',
  },
  job_terminal: {
    means:
      'The job has ended: it succeeded, failed or was cancelled. What has ended cannot be steered any more.',
    remedy:
      'Nothing, if that is how it should be. A failed or cancelled job can be retried: `POST /v1/jobs/{id}/retry`.',
  },
  job_not_terminal: {
    means: 'The job goes on, and only a job that is over can be deleted.',
    remedy:
      'Wait for its end (`GET /v1/jobs/{id}?wait=30s`), or cancel it first: `POST /v1/jobs/{id}/cancel`.',
  },
  job_not_retryable: {
    means: 'Only a failed or cancelled job can be retried; this one goes on or has succeeded.',
    remedy: 'To do the same work once more, submit the definition again as a new job.',
  },
  worker_not_found: {
    means:
      'No worker has this id: it was never registered here, or was silent for so long that it was forgotten.',
    remedy:
      'Register with `POST /v1/workers` and go on with the id of the answer. Claims that still run stay valid.',
  },
  worker_is_server: {
    means:
      'This worker is the pool of a server itself. It comes and goes with the server, and is neither drained, removed ' +
      'nor kept alive by calls.',
    remedy:
      'Stop that server (SIGTERM): it takes no more steps, lets those that run finish, and gives back the rest. A ' +
      'program of yours registers for itself, with `POST /v1/workers`.',
  },
  claim_not_found: {
    means: 'No claim has this id: it is not whole, or its job has been deleted.',
    remedy:
      'Give the `id` of a claim as it came. If it did come like that, drop the work: nobody waits for it.',
  },
  claim_lost: {
    means:
      'The claim is no longer valid. `reason` says why: it `expired` and the step was given back, the attempt ' +
      '`timed_out`, its job was `cancelled`, or the worker was `removed`. Somebody else may have the step by now, so ' +
      'nothing about it is taken from here any more.',
    remedy:
      'Stop the work and drop the result. Against `expired`: extend claims in time, or ask for a longer `ttl`; against ' +
      '`timed_out`: give the step a longer `timeout`.',
  },
  claim_settled: {
    means: 'The claim has ended already, by another call than this one. What was said first stands.',
    remedy: 'Drop it. Repeating the same call is harmless and gives the first answer again.',
  },
  expected_offset: {
    means: 'The bytes would leave a gap in the log: those before them have not arrived.',
    remedy:
      'Send from the offset that `detail` and `expected_offset` name. If the bytes before it are gone, send without ' +
      '`offset`: what comes then stands at the end.',
  },
  too_many_waiting: {
    means: 'So many requests for claims wait at this server that it takes no more of them.',
    remedy:
      'Try again after the seconds in `Retry-After`, at another server, or with a larger `max` and fewer workers.',
  },
  payload_too_large: {
    means: 'The body is larger than this call takes. It was not read to its end.',
    remedy:
      'Keep large data elsewhere and hand over where it is; split a very large graph into several jobs.',
  },
  unsupported_media_type: {
    means: 'The `Content-Type` is none that this call reads, or it is missing.',
    remedy:
      'Say what you send: with curl `--json` does it, or `-H "content-type: application/json"`; a log is `text/plain`.',
  },
  forbidden_host: {
    means:
      'The header `Host` names this server as it does not know itself. Web pages can point a name of theirs at your ' +
      'machine, so only known names are served.',
    remedy: 'Call it by `localhost` or `127.0.0.1`; to serve a name of your own, set `ALLOWED_HOSTS`.',
  },
  forbidden_origin: {
    means: 'A web page of another origin asked. Pages that are open in a browser may not reach your jobs.',
    remedy: 'Call the API from a program, or from a page that this server itself has sent.',
  },
  request_timeout: {
    means: 'The request began and did not arrive to its end in time.',
    remedy: 'Send it again; if it is a large body over a slow line, send less at once.',
  },
  headers_too_large: {
    means: 'The headers together are larger than is read here.',
    remedy: 'Send fewer or shorter ones; often it is cookies or a token that a proxy adds.',
  },
  overloaded: {
    means:
      'The server has as much in hand as it can take: requests that wait for the database, or bodies that are being ' +
      'read. Nothing was done. What workers say of the steps that they hold is still taken.',
    remedy:
      'Try again after the seconds in `Retry-After`, waiting longer each time, or ask another server. Send fewer ' +
      'requests at once, with more jobs each (`/v1/jobs/batch`).',
  },
  database_unavailable: {
    means:
      'The server runs, but its database does not answer, or its disk is full. Stored jobs are safe and go on when ' +
      'it is back, or has room.',
    remedy:
      'Try again after the seconds in `Retry-After`; with an `Idempotency-Key` a submit can be repeated without ' +
      'harm. If it lasts, `/health` and the log of the server say more.',
  },
  shutting_down: {
    means:
      'This server has been told to stop and takes no more requests. Stored jobs go on after its next start.',
    remedy: 'Try again after the seconds in `Retry-After`, or ask another server on the same database.',
  },
  internal_error: {
    means:
      'Something went wrong that nobody foresaw: a bug of Holdfast. What was stored before is untouched.',
    remedy: 'The log of the server has the cause under the `request_id`. Please report it with that.',
  },
};
