import type { TextTokenizer } from '../checkpoint/index.js';
import { abortedError } from '../wait.js';
import type { CompleteGenerateOptions } from './generate-options.js';
import { ServiceRequest } from './service-request.js';
import { TokenStream } from './token-stream.js';

/** What a service does with the choices of a request as its reader reads, waits or goes. */
export interface RequestOwner {
  suspend(request: ServiceRequest): void;
  resume(request: ServiceRequest): void;
  cancel(request: ServiceRequest): void;
  /** The reader has come to the end, or gone, or the request was aborted; called once. */
  closed(): void;
}

/** A request's choices, and the stream that all of them give their tokens to. */
export interface OpenRequest {
  readonly stream: TokenStream;
  readonly choices: readonly ServiceRequest[];
}

/** Opens a request: `options.n` choices of a prompt. An abort of its signal ends the stream and cancels them. */
export function openRequest(
  ids: Int32Array,
  options: CompleteGenerateOptions,
  { tokenizer, maxUnread, owner }: { tokenizer: TextTokenizer | null; maxUnread: number; owner: RequestOwner },
): OpenRequest {
  const { signal, n } = options;
  const choices: ServiceRequest[] = [];
  let closed = false;
  const close = (): void => {
    if (closed) return;
    closed = true;
    signal?.removeEventListener('abort', onAbort);
    for (const request of choices) owner.cancel(request);
    owner.closed();
  };
  // Its place is free then, whether or not its reader comes to hear of it.
  const onAbort = (): void => {
    stream.end(abortedError(signal as AbortSignal, 'while the request was served'));
    close();
  };
  const stream: TokenStream = new TokenStream(
    {
      onBehind: () => {
        for (const request of choices) owner.suspend(request);
      },
      onRead: () => {
        for (const request of choices) owner.resume(request);
      },
      onClosed: close,
    },
    maxUnread,
  );
  signal?.addEventListener('abort', onAbort, { once: true });
  const left = { count: n };
  for (let choice = 0; choice < n; choice++) {
    choices.push(new ServiceRequest(stream, ids, options, { choice, left, tokenizer }));
  }
  return { stream, choices };
}
