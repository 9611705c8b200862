import { once } from 'node:events';
import type { ServerResponse } from 'node:http';

/** Writes server-sent events, no faster than their reader takes them. */
export class EventWriter {
  readonly #response: ServerResponse;
  readonly #gone: AbortSignal;
  /** Resolves when the reader has taken what was written; all choices of an answer wait for the same. */
  #taken: Promise<void> | null = null;

  /** `gone` aborts once the reader has left. */
  constructor(response: ServerResponse, gone: AbortSignal) {
    this.#response = response;
    this.#gone = gone;
  }

  begin(): void {
    this.#response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      'x-accel-buffering': 'no',
    });
    this.#response.flushHeaders();
  }

  async write(data: string): Promise<void> {
    if (this.#gone.aborted) return;
    if (this.#response.write(`data: ${data}\n\n`)) return;
    this.#taken ??= this.#untilTaken();
    await this.#taken;
  }

  async #untilTaken(): Promise<void> {
    // Ended by the abort where the reader leaves without reading on.
    await once(this.#response, 'drain', { signal: this.#gone }).catch(() => {});
    this.#taken = null;
  }

  end(): void {
    this.#response.end();
  }
}
