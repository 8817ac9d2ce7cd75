import { LIMITS } from '../domain/limits.ts';
import { AddressNotAllowed } from './connect.ts';
import { TooMuchInput } from './read-body.ts';
import { type Hop, showUrl } from './redirects.ts';

/** Why a request has no answer. `network` may be better the next time, the others are not. */
export interface Failure {
  failed:
    | 'address_not_allowed'
    | 'bad_redirect'
    | 'too_many_redirects'
    | 'response_too_large'
    | 'invalid_request'
    | 'network'
    | 'aborted';
  /** One sentence, with method and address. */
  message: string;
  /** The code that the system or the library gives, such as `ECONNREFUSED`. */
  cause?: string;
}

/** What the codes that are met most often mean, and what can be done. */
const CAUSES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the connection was cut',
  EPIPE: 'the connection was cut',
  UND_ERR_SOCKET: 'the connection was cut before the answer was whole',
  ENOTFOUND: 'there is no such name',
  EAI_AGAIN: 'the name could not be looked up now',
  ETIMEDOUT: 'the other side has fallen silent',
  UND_ERR_CONNECT_TIMEOUT: `there was no connection within ${LIMITS.outboundConnect / 1000} s`,
  EHOSTUNREACH: 'there is no way to that address',
  ENETUNREACH: 'there is no way to that address',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS there; is it http:// instead of https://?',
  HTTPParserError: 'the answer is no HTTP',
  // What the library takes for granted of an answer, such as that its status is not 000.
  ERR_ASSERTION: 'the answer is no HTTP',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'the answer was shorter or longer than it said',
  Z_BUF_ERROR: 'the answer ended in the middle of its compressed body',
  Z_DATA_ERROR: 'the body is not compressed in the way that the answer says',
};

/** Of a certificate that nobody known has signed. */
const UNKNOWN_SIGNER =
  /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_(GET_ISSUER_CERT(_LOCALLY)?|VERIFY_LEAF_SIGNATURE))$/;

/** Turns what was thrown on the way into words. */
export function describeFailure(error: unknown, hop: Hop, signal: AbortSignal): Failure {
  const at = `${hop.method} ${showUrl(hop.url)}`;
  if (signal.aborted) return { failed: 'aborted', message: `${at} was stopped` };
  if (error instanceof AddressNotAllowed) {
    return { failed: 'address_not_allowed', message: `${at}: ${error.message}` };
  }
  const { code, name, message } = error as NodeJS.ErrnoException;
  const cause = code ?? name ?? 'unknown';
  if (error instanceof TooMuchInput || cause === 'UND_ERR_HEADERS_OVERFLOW') {
    const what = error instanceof TooMuchInput ? 'a compressed body without end' : 'too many headers';
    return { failed: 'response_too_large', message: `${at} answered with ${what}` };
  }
  if (cause === 'UND_ERR_INVALID_ARG') {
    return { failed: 'invalid_request', message: `${at} cannot be sent: ${message}` };
  }
  const signer =
    'nobody known has signed its certificate; name the signer in NODE_EXTRA_CA_CERTS of the server';
  const words = UNKNOWN_SIGNER.test(cause) ? signer : (CAUSES[cause] ?? generic(cause, message));
  return { failed: 'network', message: `${at} failed: ${words} (${cause})`, cause };
}

/** What libraries say is kept to one line; what OpenSSL says is meant for its authors. */
function generic(cause: string, message: string): string {
  if (cause.startsWith('ERR_SSL')) return 'there was no agreement on TLS';
  return message.split('\n')[0]?.slice(0, 200) || 'the connection could not be used';
}
