// A scheduler as a service may have its own: it admits requests in order, as long as tokens and places last.
export class Scheduler {
  #waiting = [];
  #running = [];
  #limits;

  constructor(limits) {
    this.#limits = limits;
  }

  add(request) {
    this.#waiting.push({ ...request, computed: 0 });
  }

  /** The chunks of the next step: decodes first, then as many prompts as fit. */
  next() {
    const { maxNumSeqs, maxNumBatchedTokens } = this.#limits;
    const chunks = this.#running.map((request) => ({ request, phase: 'decode', queryLen: 1 }));
    let tokens = chunks.length;
    while (this.#waiting.length > 0 && chunks.length < maxNumSeqs) {
      const [request] = this.#waiting;
      if (tokens + request.prompt > maxNumBatchedTokens) break;
      this.#waiting.shift();
      this.#running.push(request);
      chunks.push({ request, phase: 'prefill', queryLen: request.prompt });
      tokens += request.prompt;
    }
    return chunks;
  }

  /** After a step. */
  done(chunks) {
    for (const { request, queryLen } of chunks) request.computed += queryLen;
    this.#running = this.#running.filter((request) => request.computed < request.prompt + request.output);
  }
}
