// A service of your own on fastify: POST /generate {"prompt": "the "} answers with lines of JSON, a token each.
//   node examples/service/service.mjs [model] [port]
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { fastify } from 'fastify';
import { createService } from 'lockstep/service';
import * as bigrams from './bigrams.mjs';

const [name, port = '0'] = process.argv.slice(2);

// Without a model's folder, `random:dense` or the like: the model beside this file, which needs no weights.
const own = { model: { ...bigrams.model, entry: new URL('./bigrams.mjs', import.meta.url) }, tokenizer: bigrams.tokenizer };
const service = await createService({
  ...(name === undefined ? own : { model: name }),
  ranks: 2,
  ladder: [1, 2, 4, 8],
  limits: { maxNumSeqs: 8, maxNumBatchedTokens: 256, maxModelLen: 512 },
  maxQueue: 64,
});

// Connections that are idle hold up the end for two seconds at most.
const app = fastify({ bodyLimit: 1 << 20, keepAliveTimeout: 2000 });
const prompt = { anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'integer' } }] };
const properties = { prompt, maxTokens: { type: 'integer' }, temperature: { type: 'number' }, seed: { type: 'integer' } };
const schema = { body: { type: 'object', required: ['prompt'], properties } };

app.post('/generate', { schema }, (request, reply) => {
  const { prompt, maxTokens = 64, temperature = 1, seed } = request.body;
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort());
  // Throws at once what the service refuses; fastify answers with the error handler below.
  const tokens = service.generate(prompt, { maxTokens, temperature, seed, signal: gone.signal, client: request.ip });
  async function* lines() {
    try {
      for await (const token of tokens) yield `${JSON.stringify(token)}\n`;
    } catch (error) {
      yield `${JSON.stringify({ error: error.code })}\n`;
    }
  }
  // The stream reads on as the client does; a request whose client does not read gives up its place meanwhile.
  return reply.type('application/x-ndjson').send(Readable.from(lines()));
});

app.get('/stats', () => service.stats());

app.setErrorHandler((error, _request, reply) => {
  const status = { ERR_OVERLOADED: 429, ERR_DRAINING: 503, ERR_DISPOSED: 503, ERR_RANK_LOST: 503 }[error.code] ?? 400;
  if (status === 429) reply.header('retry-after', Math.ceil(error.details.retryAfterMs / 1000));
  return reply.code(status).send({ error: error.code, message: error.message });
});

console.log(`listening on ${await app.listen({ port: Number(port) })}`);
await once(process, 'SIGTERM');
// What was accepted is served; then connections and ranks end.
await service.drain();
await app.close();
await service.close();
