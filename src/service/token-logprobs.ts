/** How likely a token was, and which were the likeliest in its place: natural logarithms, of the logits before any sampling option. */
export interface TokenLogprobs {
  readonly logprob: number;
  /** The likeliest first, as many as were asked for. */
  readonly top: readonly { readonly token: number; readonly logprob: number }[];
}

/** Most of the likeliest tokens that may be asked for. Source: OpenAI's interface. */
export const MAX_LOGPROBS = 20;

/** Of one row of logits: f32[vocabSize]. Sums are float64, in the order of ids; of equal logits the lower id comes first. */
export function logprobsOf(logits: Float32Array, token: number, count: number): TokenLogprobs {
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
