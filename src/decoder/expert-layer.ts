import type { ModelConfig } from '../checkpoint/index.js';
import type { DeviceBuffer, DevicePlace } from '../device/index.js';
import type { Executor, ForwardPart, Lane } from '../execution/index.js';
import { offsetBy } from './column-join.js';
import type { DecoderKernels } from './decoder-kernels.js';
import type { Scratch } from './scratch.js';
import type { Shard } from './shard.js';
import type { LayerWeights } from './weights.js';

/**
 * A mixture of experts whose experts are spread over all ranks. Rows are gathered on every rank, padded in graphs and variable in eager
 * steps, as the decision says; each rank computes those of its experts and zeros for the others, and each row goes home. The sum on
 * the way is of int32 words, of which one rank's alone are not 0: it moves bits. Source: Mixtral, and vLLM's expert parallelism.
 */
export class ExpertLayer {
  readonly #executor: Executor;
  readonly #config: ModelConfig;
  readonly #kernels: DecoderKernels;
  readonly #shard: Shard;

  constructor(executor: Executor, config: ModelConfig, kernels: DecoderKernels, shard: Shard) {
    this.#executor = executor;
    this.#config = config;
    this.#kernels = kernels;
    this.#shard = shard;
  }

  /** `normed`: f32[rows, hiddenSize], with room for as many rows as this rank brings. Returns f32[tokens, hiddenSize]. */
  *run(
    lane: Lane,
    weights: LayerWeights,
    part: ForwardPart,
    normed: DevicePlace,
    scratch: Scratch,
  ): Generator<string, DevicePlace, void> {
    const { hiddenSize: hidden, expertsPerToken: chosenCount } = this.#config;
    const { collectives } = this.#executor;
    const { stream } = lane;
    const { tokens, tokensPerRank } = part;
    const alone = collectives.size === 1 || collectives.implementation === 'none';
    const { rank } = collectives;
    const own = alone ? tokens : tokensPerRank[rank];
    if (own > tokens) {
      stream.launch(this.#kernels.fill, [offsetBy(normed, tokens * hidden), 0, (own - tokens) * hidden]);
    }
    let rows = normed;
    let total = tokens;
    let before = 0;
    if (!alone) {
      total = tokensPerRank.reduce((sum, count) => sum + count, 0);
      before = tokensPerRank.slice(0, rank).reduce((sum, count) => sum + count, 0);
      rows = scratch.take('dispatched rows', total * hidden);
      const counts = tokensPerRank.map((count) => count * hidden);
      lane.collective({ kind: 'all-gather', send: normed, recv: rows, counts });
      yield 'dispatch';
    }
    const { shares, routing } = this.#compute(lane, weights, rows, total, scratch);
    let returned = shares;
    if (!alone) {
      returned = scratch.take('returned shares', own * chosenCount * hidden);
      const counts = tokensPerRank.map((count) => count * chosenCount * hidden);
      lane.collective({ kind: 'reduce-scatter', send: shares, recv: returned, counts });
      yield 'combine';
    }
    const mixed = scratch.take('mixed', Math.max(tokens, own) * hidden);
    if (own < tokens) stream.launch(this.#kernels.fill, [mixed, 0, tokens * hidden]);
    const home = offsetBy(routing, before * chosenCount);
    stream.launch(this.#kernels.combine, [returned, home, mixed, Math.min(tokens, own), chosenCount, hidden]);
    return mixed;
  }

  /** What this rank's experts make of all rows, a share for each choice of each row; and the weight of each choice. */
  #compute(
    { stream }: Lane,
    { router, gateUp, down }: LayerWeights,
    rows: DevicePlace,
    total: number,
    scratch: Scratch,
  ): { readonly shares: DevicePlace; readonly routing: DevicePlace } {
    const { hiddenSize: hidden, intermediateSize: inner, experts, expertsPerToken: each } = this.#config;
    const { firstExpert, experts: count } = this.#shard;
    const { matmul, route, expert_matmul, swiglu, fill } = this.#kernels;
    const scores = scratch.take('scores', total * experts);
    const chosen = scratch.take('chosen', total * each);
    const routing = scratch.take('routing', total * each);
    const shares = scratch.take('shares', total * each * hidden);
    stream.launch(matmul, [rows, router as DeviceBuffer, scores, total, hidden, experts]);
    stream.launch(route, [scores, chosen, routing, total, experts, each]);
    if (count === 0) {
      stream.launch(fill, [shares, 0, total * each * hidden]);
      return { shares, routing };
    }
    const gated = scratch.take('gated', total * each * 2 * inner);
    const active = scratch.take('active', total * each * inner);
    stream.launch(expert_matmul, [rows, chosen, gateUp, gated, total, each, hidden, 2 * inner, firstExpert, count, 0]);
    stream.launch(swiglu, [gated, active, total * each, inner]);
    stream.launch(expert_matmul, [active, chosen, down, shares, total, each, inner, hidden, firstExpert, count, 1]);
    return { shares, routing };
  }
}
