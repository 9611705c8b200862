import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Faults } from '../checks.js';
import { shown } from '../errors.js';
import type { Service } from '../service/index.js';
import { type AnswerForm, chatForm, completionForm, streamAnswer } from './answers.js';
import { Choices } from './choices.js';
import { EventWriter } from './event-writer.js';
import {
  type ChatBody,
  type CompletionBody,
  chatRequest,
  completionRequest,
  type GenerationRequest,
} from './generation-request.js';
import { goneSignal } from './gone-signal.js';
import { cannotListen } from './listen-address.js';
import { answerOf, RequestRefusal } from './openai-errors.js';
import { CHAT_BODY, COMPLETION_BODY } from './schemas.js';
import { ServerMetrics } from './server-metrics.js';

/** Options of `startServer`. */
export interface ServerOptions {
  readonly service: Service;
  /** Default 127.0.0.1: this machine alone. */
  readonly host?: string;
  /** Default 0: one that is free. */
  readonly port?: number;
  /** What clients must send as their API key, but for `/health` and `/metrics`. Default: nothing. */
  readonly apiKey?: string;
  /** Most bytes of a request's body. Default 4 MiB. */
  readonly bodyLimit?: number;
}

const BODY_LIMIT = 4 << 20;
/** Longest time that a client may take to send its request. */
const REQUEST_TIMEOUT_MS = 60_000;
/** Routes that need no key. */
const OPEN_ROUTES: ReadonlySet<string> = new Set(['/health', '/metrics']);
const NAMES = ['service', 'host', 'port', 'apiKey', 'bodyLimit'];

/** Options with their defaults; the key may be left out. Errors: `ERR_CONFIG_INVALID` naming every fault. */
export function completeServerOptions(
  options: Omit<ServerOptions, 'service'>,
): Required<Omit<ServerOptions, 'service' | 'apiKey'>> & Pick<ServerOptions, 'apiKey'> {
  const { host = '127.0.0.1', port = 0, bodyLimit = BODY_LIMIT, apiKey } = options;
  const faults = new Faults();
  faults.names('server options', options, NAMES);
  faults.integer('port', port, 0, 65_535);
  faults.integer('bodyLimit', bodyLimit, 1024, 2 ** 30);
  faults.check(apiKey === undefined || apiKey.length > 0, 'apiKey is empty; leave it out, or give one', 'apiKey');
  faults.check(
    typeof host === 'string' && host.length > 0,
    `host is ${shown(host)}; it must be a name or an address`,
    'host',
  );
  faults.throwIfAny('These server options');
  return { host, port, bodyLimit, ...(apiKey === undefined ? {} : { apiKey }) };
}

/**
 * Serves a service over HTTP as OpenAI's interface has it: `/v1/completions`, `/v1/chat/completions`, `/v1/models`, `/health`
 * and `/metrics`. The service stays the caller's, to close after the server. Errors: `ERR_CONFIG_INVALID`; `ERR_INPUT_INVALID` where
 * it cannot listen there.
 */
export async function startServer(options: ServerOptions): Promise<Server> {
  const { host, port, bodyLimit, apiKey } = completeServerOptions(options);
  // Loaded here, so that a service without a server needs neither.
  const [{ fastify }, prometheus] = await Promise.all([import('fastify'), import('prom-client')]);
  const app = fastify({
    bodyLimit,
    requestTimeout: REQUEST_TIMEOUT_MS,
    // A field that is not known must be refused by name, and a wrong one not turned into a right one.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, useDefaults: false } },
    // A service that ends answers for itself.
    return503OnClosing: false,
    forceCloseConnections: true,
  });
  const server = new Server(app, options.service, new ServerMetrics(prometheus, options.service), apiKey);
  try {
    await app.listen({ host, port });
  } catch (cause) {
    throw cannotListen({ host, port }, cause);
  }
  return server;
}

/** An HTTP server that listens. */
export class Server implements AsyncDisposable {
  readonly service: Service;
  readonly #app: FastifyInstance;
  readonly #metrics: ServerMetrics;
  readonly #key: Buffer | null;
  readonly #created: number = Math.floor(Date.now() / 1000);
  /** Answers under way. */
  readonly #answers = new Set<Promise<void>>();

  constructor(app: FastifyInstance, service: Service, metrics: ServerMetrics, apiKey: string | undefined) {
    this.service = service;
    this.#app = app;
    this.#metrics = metrics;
    this.#key = apiKey === undefined ? null : digest(apiKey);
    // A text is no body of this interface: it is refused for what it is, as every other type but JSON.
    app.removeContentTypeParser('text/plain');
    app.setErrorHandler((error, _request, reply) => this.#refuse(reply, error));
    app.setNotFoundHandler((request, reply) =>
      this.#refuse(reply, new RequestRefusal(`There is no ${request.method} ${request.url}.`, { status: 404 })),
    );
    app.addHook('onRequest', async (request) => {
      this.#admit(request);
      refuseMethod(app, request);
      refuseEncoding(request);
    });
    app.get('/health', (_request, reply) => this.#health(reply));
    app.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.text()));
    app.get('/v1/models', () => ({ object: 'list', data: [this.#model()] }));
    app.get<{ Params: { model: string } }>('/v1/models/:model', (request) => {
      if (request.params.model === service.model) return this.#model();
      throw new RequestRefusal(`The model ${request.params.model} is not served here.`, {
        status: 404,
        param: 'model',
        code: 'model_not_found',
      });
    });
    app.post<{ Body: CompletionBody }>('/v1/completions', { schema: { body: COMPLETION_BODY } }, (request, reply) =>
      this.#answer(
        reply,
        (gone) => completionRequest(service, request.body, { client: request.ip, gone }),
        completionForm(service.model),
      ),
    );
    app.post<{ Body: ChatBody }>('/v1/chat/completions', { schema: { body: CHAT_BODY } }, (request, reply) =>
      this.#answer(
        reply,
        (gone) => chatRequest(service, request.body, { client: request.ip, gone }),
        chatForm(service.model),
      ),
    );
  }

  /** Where it listens, as `http://host:port`. */
  get url(): string {
    const address = this.#app.server.address();
    if (address === null || typeof address === 'string') throw new RangeError('the server does not listen');
    const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
    return `http://${host}:${address.port}`;
  }

  /** Refuses new requests with 503, and resolves once all that were accepted are answered and read. */
  async drain(): Promise<void> {
    await this.service.drain();
    while (this.#answers.size > 0) await Promise.all(this.#answers);
  }

  /** Stops to listen and ends every connection. */
  async close(): Promise<void> {
    this.#metrics.dispose();
    await this.#app.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #model(): object {
    return {
      id: this.service.model,
      object: 'model',
      created: this.#created,
      owned_by: 'lockstep',
      max_model_len: this.service.options.setup.limits.maxModelLen,
    };
  }

  #health(reply: FastifyReply): FastifyReply {
    const { state } = this.service;
    return reply.code(state === 'ready' ? 200 : 503).send({ status: state });
  }

  #admit(request: FastifyRequest): void {
    // By the route that was found: a path can be written in many ways.
    if (this.#key === null || OPEN_ROUTES.has(request.routeOptions.url ?? '')) return;
    const given = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
    if (timingSafeEqual(digest(given), this.#key)) return;
    throw new RequestRefusal('The API key is missing or wrong; send it as Authorization: Bearer KEY.', {
      status: 401,
      code: 'invalid_api_key',
    });
  }

  /** `read`: what is asked for, until `gone` aborts. */
  async #answer(
    reply: FastifyReply,
    read: (gone: AbortSignal) => Promise<GenerationRequest>,
    form: AnswerForm,
  ): Promise<FastifyReply> {
    const { raw } = reply;
    const gone = goneSignal(reply.request.raw, raw);
    // What comes of it is said to the client; here it only counts that it is over.
    const answered = new Promise<void>((resolve) => {
      if (gone.aborted) resolve();
      else gone.addEventListener('abort', () => resolve(), { once: true });
    });
    this.#answers.add(answered);
    answered.then(() => this.#answers.delete(answered));
    const request = await read(gone);
    const choices = new Choices(this.service, request, gone);
    if (!request.stream) {
      const whole = await choices.whole();
      return reply.send(form.whole(whole, choices.usage, request.tokenIds));
    }
    reply.hijack();
    const writer = new EventWriter(raw, gone);
    writer.begin();
    try {
      await streamAnswer(choices, form, (event) => writer.write(event));
    } catch (error) {
      await writer.write(JSON.stringify(answerOf(error).body));
    }
    writer.end();
    return reply;
  }

  #refuse(reply: FastifyReply, error: unknown): FastifyReply {
    const { status, body, retryAfter, allow } = answerOf(error);
    if (status === 500) process.emitWarning(error instanceof Error ? error : String(error));
    if (retryAfter !== undefined) reply.header('retry-after', String(retryAfter));
    if (allow !== undefined) reply.header('allow', allow);
    return reply.code(status).send(body);
  }
}

/** Errors: a refusal with 405 where the path has routes of other methods alone. */
function refuseMethod(app: FastifyInstance, { is404, method, url }: FastifyRequest): void {
  if (!is404) return;
  const [path] = url.split('?');
  const methods = ['GET', 'HEAD', 'POST'].filter((each) => app.hasRoute({ method: each, url: path }));
  if (methods.length === 0) return;
  const allow = methods.join(', ');
  throw new RequestRefusal(`${path} has no ${method}; use ${methods.join(' or ')}.`, { status: 405, allow });
}

/** Errors: a refusal with 415 where the body is compressed. */
function refuseEncoding({ headers }: FastifyRequest): void {
  const encoding = headers['content-encoding']?.trim().toLowerCase() ?? '';
  if (encoding === '' || encoding === 'identity') return;
  const said = 'The body is encoded, as content-encoding says, and only one as it is can be read; send it without.';
  throw new RequestRefusal(said, { status: 415 });
}

function digest(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}
