import { setImmediate } from 'node:timers/promises';
import { type GenerateOptions, mostTokens, type Service } from '../service/index.js';
import { RequestRefusal } from './openai-errors.js';

/** What completions and chats have in common; fields that are null count as left out. */
export interface SharedBody {
  readonly model?: string;
  readonly stream?: boolean | null;
  readonly stream_options?: { readonly include_usage?: boolean } | null;
  readonly n?: number | null;
  readonly temperature?: number | null;
  readonly top_p?: number | null;
  readonly top_k?: number | null;
  readonly seed?: number | null;
  readonly stop?: string | readonly string[] | null;
  readonly stop_token_ids?: readonly number[] | null;
  readonly ignore_eos?: boolean | null;
  readonly return_token_ids?: boolean | null;
  readonly user?: string | null;
  readonly frequency_penalty?: number | null;
  readonly presence_penalty?: number | null;
  readonly logit_bias?: object | null;
  readonly response_format?: { readonly type?: string } | null;
  readonly max_tokens?: number | null;
}

export interface CompletionBody extends SharedBody {
  readonly prompt: string | readonly number[] | readonly string[] | readonly (readonly number[])[];
  readonly echo?: boolean | null;
  readonly logprobs?: number | null;
  readonly best_of?: number | null;
  readonly suffix?: string | null;
}

export interface ChatBody extends SharedBody {
  readonly messages: readonly {
    readonly role: string;
    readonly name?: string;
    readonly content: string | readonly { readonly text: string }[];
  }[];
  readonly max_completion_tokens?: number | null;
  readonly logprobs?: boolean | null;
  readonly top_logprobs?: number | null;
}

/** One prompt, and what stands before its answer where that is asked for. */
export interface Prompt {
  readonly ids: Int32Array;
  readonly echo: string;
}

/** A request as the service takes it. */
export interface GenerationRequest {
  readonly prompts: readonly Prompt[];
  readonly options: Omit<GenerateOptions, 'signal'>;
  readonly n: number;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly tokenIds: boolean;
}

/** Tokens of a completion that says no number. Source: OpenAI's interface. */
const COMPLETION_TOKENS = 16;

/** Whose a request is; `gone` aborts when that client has left. */
export interface Caller {
  readonly client: string;
  readonly gone: AbortSignal;
}

/** Others are served between the texts of one request, and while a long one is encoded. */
export async function completionRequest(
  service: Service,
  body: CompletionBody,
  { client: address, gone }: Caller,
): Promise<GenerationRequest> {
  refuse(body.suffix != null, 'suffix', 'it needs a model that fills in the middle');
  refuse(body.best_of != null && body.best_of !== (body.n ?? 1), 'best_of', 'choices are not ranked; it may equal n');
  const logprobs = body.logprobs ?? undefined;
  refuse(
    logprobs !== undefined && body.echo === true,
    'echo',
    'the tokens of a prompt have no logprobs here; leave one out',
  );
  const client = body.user ?? address;
  const prompts: Prompt[] = [];
  for (const prompt of promptsOf(body.prompt)) {
    if (prompts.length > 0) await setImmediate();
    const ids = await service.encodeAsync(prompt, { client, signal: gone });
    const text = (): string => (typeof prompt === 'string' ? prompt : (service.tokenizer?.decode(ids) ?? ''));
    prompts.push({ ids, echo: body.echo === true ? text() : '' });
  }
  const left = mostTokens(service.options.setup.limits) - Math.max(...prompts.map(({ ids }) => ids.length));
  const maxTokens = body.max_tokens ?? Math.max(0, Math.min(COMPLETION_TOKENS, left));
  return shared(service, body, client, { prompts, maxTokens, logprobs });
}

export async function chatRequest(
  service: Service,
  body: ChatBody,
  { client: address, gone }: Caller,
): Promise<GenerationRequest> {
  const isAsked = body.logprobs === true;
  refuse(body.top_logprobs != null && !isAsked, 'top_logprobs', 'it goes with logprobs, which must be true');
  const maxTokens = chatTokens(body);
  const { tokenizer } = service;
  if (tokenizer === null || tokenizer.chatTemplate === null) {
    const lacks = tokenizer === null ? 'tokenizer' : 'chat template';
    throw new RequestRefusal(`The model ${service.model} has no ${lacks}; use /v1/completions.`, { param: 'messages' });
  }
  const messages = body.messages.map(({ content, ...message }) => ({
    ...message,
    content: typeof content === 'string' ? content : content.map(({ text }) => text).join(''),
  }));
  // The template writes the special tokens itself.
  const client = body.user ?? address;
  const ids = await service.encodeAsync(tokenizer.renderChat(messages), { special: false, client, signal: gone });
  const logprobs = isAsked ? (body.top_logprobs ?? 0) : undefined;
  return shared(service, body, client, { prompts: [{ ids, echo: '' }], maxTokens, logprobs });
}

/** The most tokens of a chat's answer, by the name of old or the new one; undefined where neither is given. */
function chatTokens({ max_tokens: old, max_completion_tokens: given }: ChatBody): number | undefined {
  if (old != null && given != null && old !== given) {
    const message = `max_tokens is ${old}, and max_completion_tokens is ${given}: two names of one number; leave one out.`;
    throw new RequestRefusal(message, { param: 'max_tokens' });
  }
  return given ?? old ?? undefined;
}

function shared(
  service: Service,
  body: SharedBody,
  client: string,
  {
    prompts,
    maxTokens,
    logprobs,
  }: {
    readonly prompts: readonly Prompt[];
    readonly maxTokens: number | undefined;
    readonly logprobs: number | undefined;
  },
): GenerationRequest {
  const { model } = body;
  if (model !== undefined && model !== service.model) {
    throw new RequestRefusal(`The model ${model} is not served here; ${service.model} is.`, {
      status: 404,
      param: 'model',
      code: 'model_not_found',
    });
  }
  refuse(logprobs !== undefined && service.options.model.config === null, 'logprobs', 'its forward gives tokens alone');
  refuse((body.frequency_penalty ?? 0) !== 0, 'frequency_penalty', 'tokens are not penalised; it may be 0');
  refuse((body.presence_penalty ?? 0) !== 0, 'presence_penalty', 'tokens are not penalised; it may be 0');
  refuse(Object.keys(body.logit_bias ?? {}).length > 0, 'logit_bias', 'logits are not changed');
  const { type = 'text', ...format } = body.response_format ?? {};
  refuse(type !== 'text' || Object.keys(format).length > 0, 'response_format', 'answers are plain text');
  refuse(body.stream_options != null && body.stream !== true, 'stream_options', 'it is for streams');
  const n = body.n ?? 1;
  const most = Math.floor(service.places / prompts.length);
  if (prompts.length * n > service.places) {
    const of = prompts.length === 1 ? '' : ` of ${prompts.length} prompts`;
    const remedy = most === 0 ? 'send fewer prompts' : `n can be from 1 to ${most}`;
    const message = `n is ${n}${of}, and this server has ${service.places} places for choices: ${remedy}.`;
    throw new RequestRefusal(message, { param: most === 0 ? 'prompt' : 'n' });
  }
  const topK = body.top_k ?? undefined;
  return {
    prompts,
    options: {
      maxTokens,
      temperature: body.temperature ?? undefined,
      topP: body.top_p ?? undefined,
      topK: topK === -1 ? 0 : topK,
      seed: body.seed == null ? undefined : BigInt.asUintN(64, BigInt(body.seed)),
      stop: body.stop ?? undefined,
      stopTokenIds: body.stop_token_ids ?? undefined,
      ignoreEos: body.ignore_eos ?? undefined,
      n,
      client,
      logprobs,
    },
    n,
    stream: body.stream === true,
    includeUsage: body.stream_options?.include_usage === true,
    tokenIds: body.return_token_ids === true || service.tokenizer === null,
  };
}

function promptsOf(prompt: CompletionBody['prompt']): readonly (string | readonly number[])[] {
  if (typeof prompt === 'string') return [prompt];
  if (typeof prompt[0] === 'number') return [prompt as readonly number[]];
  return prompt as readonly (string | readonly number[])[];
}

function refuse(when: boolean, param: string, why: string): void {
  if (when) throw new RequestRefusal(`${param} is not supported by this server: ${why}.`, { param });
}
