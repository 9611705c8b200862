import type { Checkpoint, ModelConfig } from '../../dist/checkpoint/index.js';

/** A list of numbers. All of it is float64. */
type Vector = Float64Array;
/** `matrix[row]` is a row. */
type Matrix = readonly Vector[];

interface Expert {
  readonly gate: Matrix;
  readonly up: Matrix;
  readonly down: Matrix;
}

interface Layer {
  readonly inputNorm: Vector;
  readonly q: Matrix;
  readonly k: Matrix;
  readonly v: Matrix;
  readonly o: Matrix;
  readonly postNorm: Vector;
  /** Null in a dense layer, which has one expert. */
  readonly router: Matrix | null;
  readonly experts: readonly Expert[];
  readonly window: number;
}

/**
 * A decoder in its plainest form: float64, no planner, no cache, no batch. Each token's logits are computed from its whole text, position by
 * position and layer by layer, as the models' papers say it. Source: transformers' modeling_llama, modeling_mistral, modeling_mixtral.
 */
export class DecoderOracle {
  readonly #config: ModelConfig;
  readonly #embedding: Matrix;
  readonly #layers: readonly Layer[];
  readonly #norm: Vector;
  readonly #head: Matrix;
  /** Angle of a position per dimension pair: headDim / 2 frequencies. */
  readonly #frequencies: Vector;

  constructor(checkpoint: Checkpoint) {
    const { config } = checkpoint;
    this.#config = config;
    this.#embedding = matrixOf(checkpoint, 'model.embed_tokens', config.vocabSize, config.hiddenSize);
    this.#layers = config.layerWindows.map((window, index) => layerOf(checkpoint, `model.layers.${index}`, window));
    this.#norm = vectorOf(checkpoint, 'model.norm', config.hiddenSize);
    this.#head = config.tiedEmbeddings
      ? this.#embedding
      : matrixOf(checkpoint, 'lm_head', config.vocabSize, config.hiddenSize);
    this.#frequencies = frequenciesOf(config);
  }

  /** Logits of the token after `ids`: f64[vocabSize]. */
  logits(ids: readonly number[]): Vector {
    const rows = this.#hidden(ids);
    return this.#logitsOf(rows[rows.length - 1]);
  }

  /** Logits after each token of `ids`: f64[ids.length][vocabSize]. A token sees none after it, so each is what `logits` gives. */
  allLogits(ids: readonly number[]): Vector[] {
    return this.#hidden(ids).map((row) => this.#logitsOf(row));
  }

  #logitsOf(row: Vector): Vector {
    return times(this.#head, normed(row, this.#norm, this.#config.rmsNormEps));
  }

  /** What the last layer puts out for each token of a text. */
  #hidden(ids: readonly number[]): Vector[] {
    const { rmsNormEps } = this.#config;
    let rows: Vector[] = ids.map((id) => Float64Array.from(this.#embedding[id]));
    for (const layer of this.#layers) {
      rows = this.#attended(layer, rows).map((row) => {
        const mixed = mixture(layer, normed(row, layer.postNorm, rmsNormEps), this.#config.expertsPerToken);
        return row.map((value, i) => value + mixed[i]);
      });
    }
    return rows;
  }

  /**
   * Greedy continuation of `ids`, of two equal logits the first. It ends after `total` tokens, prompt included, or before a token of `ends`.
   */
  greedy(ids: readonly number[], total: number, ends: readonly number[]): number[] {
    const text = [...ids];
    while (text.length < total) {
      const next = greatest(this.logits(text));
      if (ends.includes(next)) break;
      text.push(next);
    }
    return text.slice(ids.length);
  }

  /** Rows after a layer's attention, the residual added. */
  #attended(layer: Layer, rows: readonly Vector[]): Vector[] {
    const { heads, kvHeads, headDim, rmsNormEps } = this.#config;
    const inputs = rows.map((row) => normed(row, layer.inputNorm, rmsNormEps));
    const headsOf = (matrix: Matrix, count: number): Vector[][] =>
      inputs.map((row) => {
        const all = times(matrix, row);
        return Array.from({ length: count }, (_, head) => all.subarray(head * headDim, (head + 1) * headDim));
      });
    const rotated = (all: Vector[][]): Vector[][] =>
      all.map((ofRow, position) => ofRow.map((head) => rotatedHalf(head, position, this.#frequencies)));
    const queries = rotated(headsOf(layer.q, heads));
    const keys = rotated(headsOf(layer.k, kvHeads));
    const values = headsOf(layer.v, kvHeads);
    return rows.map((row, position) => {
      const first = layer.window === 0 ? 0 : Math.max(0, position - layer.window + 1);
      const joined = new Float64Array(heads * headDim);
      for (let head = 0; head < heads; head++) {
        const shared = Math.floor(head / (heads / kvHeads));
        const scores = new Float64Array(position - first + 1);
        for (let p = first; p <= position; p++) {
          scores[p - first] = dot(queries[position][head], keys[p][shared]) / Math.sqrt(headDim);
        }
        const weights = softmax(scores);
        for (let p = first; p <= position; p++) {
          const value = values[p][shared];
          for (let i = 0; i < headDim; i++) joined[head * headDim + i] += weights[p - first] * value[i];
        }
      }
      const out = times(layer.o, joined);
      return row.map((value, i) => value + out[i]);
    });
  }
}

/** Index of the first greatest value. */
export function greatest(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}

function vectorOf(checkpoint: Checkpoint, name: string, width: number): Vector {
  return Float64Array.from(checkpoint.tensor(`${name}.weight`, [width]));
}

function matrixOf(checkpoint: Checkpoint, name: string, rows: number, width: number): Matrix {
  const values = Float64Array.from(checkpoint.tensor(`${name}.weight`, [rows, width]));
  return Array.from({ length: rows }, (_, row) => values.subarray(row * width, (row + 1) * width));
}

function layerOf(checkpoint: Checkpoint, name: string, window: number): Layer {
  const { hiddenSize, intermediateSize, heads, kvHeads, headDim, experts } = checkpoint.config;
  const matrix = (part: string, rows: number, width: number): Matrix =>
    matrixOf(checkpoint, `${name}.${part}`, rows, width);
  const expert = (gate: string, up: string, down: string): Expert => ({
    gate: matrix(gate, intermediateSize, hiddenSize),
    up: matrix(up, intermediateSize, hiddenSize),
    down: matrix(down, hiddenSize, intermediateSize),
  });
  const moe = 'block_sparse_moe';
  return {
    inputNorm: vectorOf(checkpoint, `${name}.input_layernorm`, hiddenSize),
    q: matrix('self_attn.q_proj', heads * headDim, hiddenSize),
    k: matrix('self_attn.k_proj', kvHeads * headDim, hiddenSize),
    v: matrix('self_attn.v_proj', kvHeads * headDim, hiddenSize),
    o: matrix('self_attn.o_proj', hiddenSize, heads * headDim),
    postNorm: vectorOf(checkpoint, `${name}.post_attention_layernorm`, hiddenSize),
    router: experts === 0 ? null : matrix(`${moe}.gate`, experts, hiddenSize),
    experts:
      experts === 0
        ? [expert('mlp.gate_proj', 'mlp.up_proj', 'mlp.down_proj')]
        : Array.from({ length: experts }, (_, e) =>
            expert(`${moe}.experts.${e}.w1`, `${moe}.experts.${e}.w3`, `${moe}.experts.${e}.w2`),
          ),
    window,
  };
}

/** Frequencies of the pairs of a head, in radians a position. */
function frequenciesOf({ headDim, ropeTheta, ropeScaling }: ModelConfig): Vector {
  return Float64Array.from({ length: headDim / 2 }, (_, pair) => {
    const frequency = ropeTheta ** ((-2 * pair) / headDim);
    if (ropeScaling === null) return frequency;
    const { factor, lowFreqFactor, highFreqFactor, originalMaxPositions } = ropeScaling;
    // How often the pair went round in the positions that the model was first trained for.
    const rounds = (originalMaxPositions * frequency) / (2 * Math.PI);
    if (rounds < lowFreqFactor) return frequency / factor;
    if (rounds > highFreqFactor) return frequency;
    const smooth = (rounds - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
    return ((1 - smooth) * frequency) / factor + smooth * frequency;
  });
}

/** A head rotated to its position: dimension i goes with dimension i + headDim / 2. */
function rotatedHalf(head: Vector, position: number, frequencies: Vector): Vector {
  const half = frequencies.length;
  const out = new Float64Array(head.length);
  for (let i = 0; i < half; i++) {
    const cosine = Math.cos(position * frequencies[i]);
    const sine = Math.sin(position * frequencies[i]);
    out[i] = head[i] * cosine - head[i + half] * sine;
    out[i + half] = head[i + half] * cosine + head[i] * sine;
  }
  return out;
}

/** A row through the MLP: of a dense layer its one, else of its best experts, weighted by a softmax over their router logits. */
function mixture({ router, experts }: Layer, row: Vector, expertsPerToken: number): Vector {
  if (router === null) return through(experts[0], row);
  const logits = times(router, row);
  const chosen = [...logits.keys()].sort((a, b) => logits[b] - logits[a] || a - b).slice(0, expertsPerToken);
  const weights = softmax(Float64Array.from(chosen, (expert) => logits[expert]));
  const sum = new Float64Array(row.length);
  for (const [index, expert] of chosen.entries()) {
    const out = through(experts[expert], row);
    for (let i = 0; i < sum.length; i++) sum[i] += weights[index] * out[i];
  }
  return sum;
}

function through({ gate, up, down }: Expert, row: Vector): Vector {
  const gates = times(gate, row);
  const ups = times(up, row);
  return times(
    down,
    gates.map((value, i) => (value / (1 + Math.exp(-value))) * ups[i]),
  );
}

function normed(row: Vector, weight: Vector, eps: number): Vector {
  const scale = 1 / Math.sqrt(dot(row, row) / row.length + eps);
  return row.map((value, i) => value * scale * weight[i]);
}

function times(matrix: Matrix, row: Vector): Vector {
  return Float64Array.from(matrix, (weights) => dot(weights, row));
}

function dot(a: Vector, b: Vector): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

function softmax(scores: Vector): Vector {
  const most = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - most));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}
