/** How likely a token was, and which were the likeliest in its place: natural logarithms, of the logits before any sampling option. */
export interface TokenLogprobs {
  readonly logprob: number;
  /** The likeliest first, as many as were asked for. */
  readonly top: readonly { readonly token: number; readonly logprob: number }[];
}

/** Most of the likeliest tokens that may be asked for. Source: OpenAI's interface. */
export const MAX_LOGPROBS = 20;

/** Of one row of logits: f32[vocabSize]. Sums are float64, in the order of ids; of equal logits the lower id comes first. */
function logprobsOf(logits: Float32Array, token: number, count: number): TokenLogprobs {
  let highest = -Infinity;
  for (const logit of logits) highest = Math.max(highest, logit);
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - highest);
  const norm = highest + Math.log(sum);
  const best: number[] = [];
  for (let id = 0; id < logits.length && count > 0; id++) {
    if (best.length === count && !(logits[id] > logits[best[count - 1]])) continue;
    let at = best.length;
    while (at > 0 && logits[id] > logits[best[at - 1]]) at--;
    best.splice(at, 0, id);
    if (best.length > count) best.length = count;
  }
  return { logprob: logits[token] - norm, top: best.map((id) => ({ token: id, logprob: logits[id] - norm })) };
}

/** The logits that a step's tokens were drawn from, where a request asks for them. */
export class StepLogits {
  #logits: Float32Array | null = null;
  #rows = 0;

  /** f32[rows, vocabSize], or null where no request asks. */
  set(logits: Float32Array | null, rows: number): void {
    this.#logits = logits;
    this.#rows = rows;
  }

  /** Of the token that was drawn from a row, with `count` of the likeliest; null where that is undefined, or there are no logits. */
  logprobsOf(row: number, token: number, count: number | undefined): TokenLogprobs | null {
    const logits = this.#logits;
    if (count === undefined || logits === null) return null;
    const vocabSize = logits.length / this.#rows;
    return logprobsOf(logits.subarray(row * vocabSize, (row + 1) * vocabSize), token, count);
  }
}
