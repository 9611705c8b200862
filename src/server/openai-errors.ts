import { type ErrorCode, LockstepError } from '../errors.js';
import { formsOf } from './schemas.js';

/** An error as OpenAI's interface has it. */
export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string | null;
  };
}

/** What a request that failed is answered with. */
export interface ErrorAnswer {
  readonly status: number;
  readonly body: ErrorBody;
  /** Seconds after which to try again. */
  readonly retryAfter?: number;
  /** Methods that the path has. */
  readonly allow?: string;
}

/** A request that this server refuses before it reaches the service. */
export class RequestRefusal extends Error {
  readonly status: number;
  readonly param: string | null;
  readonly code: string | null;
  /** Methods that the path has, where it has not the one asked for. */
  readonly allow: string | undefined;

  constructor(
    message: string,
    given: {
      readonly status?: number;
      readonly param?: string;
      readonly code?: string;
      readonly allow?: string;
    } = {},
  ) {
    super(message);
    this.name = 'RequestRefusal';
    this.status = given.status ?? 400;
    this.param = given.param ?? null;
    this.code = given.code ?? null;
    this.allow = given.allow;
  }
}

const STATUS: Partial<Record<ErrorCode, number>> = {
  ERR_BATCH_LIMIT: 400,
  ERR_CONFIG_INVALID: 400,
  ERR_INPUT_INVALID: 400,
  ERR_OVERLOADED: 429,
  ERR_ABORTED: 499,
  ERR_DRAINING: 503,
  ERR_DISPOSED: 503,
  ERR_ENCODER_LOST: 503,
  ERR_RANK_LOST: 503,
};

/** Messages for clients where the error's own may name folders and devices of the server. */
const SAID: Partial<Record<ErrorCode, string>> = {
  ERR_ENCODER_LOST: 'The prompt could not be encoded; try again, with a shorter one or with token ids.',
  ERR_RANK_LOST: 'The ranks that served this were lost; try again.',
};
const FAILED = 'The server failed at this request.';

/** Codes of OpenAI for errors of ours; else the code is ours, in lower case and without `ERR_`. */
const CODES: Partial<Record<ErrorCode, string>> = {
  ERR_BATCH_LIMIT: 'context_length_exceeded',
  ERR_OVERLOADED: 'rate_limit_exceeded',
};

/** Names of the interface for options of the service. */
const PARAMS: Readonly<Record<string, string>> = {
  maxTokens: 'max_tokens',
  topK: 'top_k',
  topP: 'top_p',
  stopTokenIds: 'stop_token_ids',
  ignoreEos: 'ignore_eos',
};

const NO_JSON = 'The body must be JSON: send it with the header content-type: application/json.';

/** What fastify says of a body that does not fit its schema, or cannot be read. */
interface FastifyFault {
  readonly statusCode?: number;
  readonly validation?: readonly {
    readonly instancePath: string;
    readonly keyword?: string;
    readonly message?: string;
    readonly params: Readonly<Record<string, unknown>>;
  }[];
}

export function answerOf(error: unknown): ErrorAnswer {
  if (error instanceof RequestRefusal) {
    const { status, message, param, code, allow } = error;
    return { ...answer(status, message, param, code), ...(allow !== undefined && { allow }) };
  }
  if (error instanceof LockstepError) return ofService(error);
  const { validation, statusCode } = error as FastifyFault;
  if (validation?.[0] !== undefined) {
    const choice = validation.find((fault) => fault.keyword === 'anyOf' && formsOf(fault.instancePath) !== null);
    const { instancePath, message = 'is not valid', params } = choice ?? validation[0];
    const unknown = params.additionalProperty ?? params.missingProperty;
    const path = instancePath.slice(1).replaceAll('/', '.');
    const param = typeof unknown === 'string' ? [path, unknown].filter((part) => part !== '').join('.') : path;
    const forms = choice === undefined ? null : formsOf(instancePath);
    const said = forms === null ? message : `must be ${forms}`;
    const says =
      params.additionalProperty !== undefined
        ? 'is not supported by this server; leave it out'
        : params.missingProperty !== undefined
          ? 'is missing; give it'
          : said;
    return answer(400, `${param === '' ? 'the body' : param} ${says}.`, param === '' ? null : param, null);
  }
  const text = statusCode === 415 ? NO_JSON : error instanceof Error ? error.message : String(error);
  if (statusCode !== undefined && statusCode < 500) return answer(statusCode, text, null, null);
  return answer(500, FAILED, null, null);
}

function ofService(error: LockstepError): ErrorAnswer {
  const status = STATUS[error.code] ?? 500;
  const options = (error.details.options as readonly string[] | undefined) ?? [];
  const option = options[0] ?? (error.details.option as string | undefined);
  const param = option === undefined ? null : (PARAMS[option] ?? option);
  const { retryAfterMs, promptTokens } = error.details;
  // A prompt of no tokens has the service's code of one that has too many.
  const kind = error.code === 'ERR_BATCH_LIMIT' && promptTokens === 0 ? 'ERR_INPUT_INVALID' : error.code;
  const code = CODES[kind] ?? kind.slice(4).toLowerCase();
  const made = answer(status, messageOf(error, status), param, code);
  if (typeof retryAfterMs === 'number') return { ...made, retryAfter: Math.ceil(retryAfterMs / 1000) };
  return status === 503 ? { ...made, retryAfter: 1 } : made;
}

/** The message for a client, without folders of the server. */
function messageOf({ code, message, details }: LockstepError, status: number): string {
  const { file } = details;
  if (status === 500 && code !== 'ERR_MODEL_INVALID') return FAILED;
  const text = SAID[code] ?? message;
  const told = typeof file === 'string' ? text.replaceAll(file, file.replace(/^.*[/\\]/, '')) : text;
  return inTheirNames(told);
}

/** A message of the service with the options' names of the interface. */
function inTheirNames(message: string): string {
  return Object.entries(PARAMS).reduce(
    (text, [name, param]) => text.replaceAll(new RegExp(`\\b${name}\\b`, 'g'), param),
    message,
  );
}

function answer(status: number, message: string, param: string | null, code: string | null): ErrorAnswer {
  const type =
    status === 401
      ? 'authentication_error'
      : status === 429
        ? 'rate_limit_error'
        : status >= 500
          ? 'server_error'
          : 'invalid_request_error';
  return { status, body: { error: { message, type, param, code } } };
}
