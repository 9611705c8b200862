import type { MegatronConfig, MegatronShape } from '../../dist/engines/index.js';

/** Every integer from 1 to `most` for which `holds`. */
const where = (most: number, holds: (size: number) => boolean): number[] =>
  Array.from({ length: Math.max(0, most) }, (_, index) => index + 1).filter(holds);

/** vLLM: 1, 2, 4, by 8 below 256, by 16 from there; every size up to 32 when interactive. */
const onVllmGrid = (size: number, interactive: boolean): boolean => {
  if (interactive && size <= 32) return true;
  if (size < 8) return [1, 2, 4].includes(size);
  return size % (size < 256 ? 8 : 16) === 0;
};

export function vllmSizes(
  maxNumSeqs: number,
  maxNumBatchedTokens: number,
  queryLen: number,
  ceiling: number,
  maxSize: number | null,
  interactive: boolean,
): number[] {
  const asked = maxSize ?? Math.min(2 * maxNumSeqs * queryLen, ceiling);
  const most = Math.min(asked, maxNumBatchedTokens);
  const isDecode = (requests: number): boolean =>
    requests === maxNumSeqs || (requests <= Math.min(maxNumSeqs, ceiling) && onVllmGrid(requests, false));
  return where(
    most,
    (size) =>
      onVllmGrid(size, interactive) ||
      (size === maxNumBatchedTokens && maxNumBatchedTokens <= asked) ||
      (queryLen > 1 && maxSize === null && size % queryLen === 0 && isDecode(size / queryLen)),
  );
}

export function sglangDecode(maxBatch: number, speculative: boolean, padding: boolean): number[] {
  const plain = (size: number): boolean => {
    if (size <= 12) return [1, 2, 4, 8, 12].includes(size);
    if (size <= 256) return size % 8 === 0;
    return size < 512 ? size % 16 === 0 : size % 32 === 0;
  };
  const drafted = (size: number): boolean => {
    if (size <= 8) return true;
    if (size <= 32) return size % 2 === 0;
    if (size <= 64) return size % 4 === 0 && size !== 36;
    return size % (size <= 256 ? 8 : 16) === 0;
  };
  return where(maxBatch, (size) => !padding || size === maxBatch || (speculative ? drafted(size) : plain(size)));
}

export function sglangPrefill(maxTokens: number): number[] {
  const bands: [upTo: number, step: number][] = [
    [32, 4],
    [256, 16],
    [512, 32],
    [1024, 64],
    [4096, 256],
    [Infinity, 512],
  ];
  return where(maxTokens, (size) => size % (bands.find(([upTo]) => size <= upTo) as [number, number])[1] === 0);
}

/** Null where SGLang asserts that a batch is left. */
export function sglangAlign(
  sizes: readonly number[],
  poolSize: number,
  queryLen: number,
  overlap: boolean,
  attentionTp: number,
  gathered: boolean,
): number[] | null {
  const unit = (overlap ? 2 : 1) * (gathered ? attentionTp : 1);
  let pool = poolSize;
  while (pool % unit !== 0) pool++;
  const tokens = (size: number): number => (overlap ? size : size * queryLen);
  const beyond = sizes.some((size) => size > pool);
  const kept = where(pool, (size) => (sizes.includes(size) || (beyond && size === pool)) && tokens(size) % unit === 0);
  return kept.length > 0 ? kept : null;
}

export function trtllmDecode(maxBatch: number, padding: boolean): number[] {
  const padded = (size: number): boolean => {
    if (size < 8) return [1, 2, 4].includes(size);
    return size % (size <= 128 ? 8 : 64) === 0;
  };
  const exact = (size: number): boolean => size <= 32 || (size >= 64 && Number.isInteger(Math.log2(size)));
  return where(maxBatch, (size) => size === maxBatch || (padding ? padded(size) : exact(size)));
}

export function trtllmEngine(
  sizes: readonly number[],
  maxBatch: number,
  maxNumTokens: number,
  tokensPerRequest: number,
  padding: boolean,
): number[] {
  const kept: number[] = [];
  const fits = (size: number): boolean => size <= maxBatch && size * tokensPerRequest <= maxNumTokens;
  for (const size of [...new Set(sizes)].sort((a, b) => a - b)) {
    if (fits(size)) kept.push(size);
    else if (padding) {
      let largest = size;
      while (largest > 0 && !fits(largest)) largest--;
      if (largest > 0 && !kept.includes(largest)) kept.push(largest);
      break;
    }
  }
  return kept;
}

export function trtllmPiecewise(
  sizes: readonly number[],
  maxNumTokens: number,
  maxBatch: number,
  maxSequenceLength: number,
  extraTokens: number,
): number[] {
  let reachable = 0;
  for (let request = 0; request < maxBatch; request++) reachable += maxSequenceLength - 1 - extraTokens;
  if (reachable <= 0) return [];
  const lowered = sizes.filter((size) => size <= maxNumTokens).map((size) => (size > reachable ? reachable : size));
  return where(Math.max(0, ...lowered), (size) => lowered.includes(size));
}

export function atomSizes(maxNumSeqs: number, maxNumBatchedTokens: number, queryLen: number): number[] {
  return where(512, (size) => {
    const onGrid = size < 16 ? [1, 2, 4, 8].includes(size) : size % 16 === 0;
    return onGrid && size <= maxNumSeqs && size * queryLen <= maxNumBatchedTokens;
  });
}

const up = (value: number, unit: number): number => value + ((unit - (value % unit)) % unit);

/** Token counts of one kind of graph, descending. */
function tokenCounts(config: Required<MegatronConfig>, most: number): number[] {
  const tp = config.tensorParallelSize;
  const descending = (sizes: number[]): number[] => [...new Set(sizes)].sort((a, b) => b - a);
  let graphs = config.numGraphs as number;
  if (config.distribution === 'linear' && graphs === -1) {
    const grid = where(most, (size) => onVllmGrid(size, false)).map((size) => up(size, tp));
    return descending([...grid.filter((size) => size <= most), most]);
  }
  const largest = most - (most % tp);
  if (config.distribution === 'linear') {
    if (graphs === 1) return [largest];
    const share = Math.trunc(most / graphs);
    const step = Math.max(up(share + (share % 2), tp), tp);
    return descending([...where(largest - 1, (size) => size % step === 0), largest]);
  }
  if (graphs === -1) {
    graphs = 2;
    for (let tokens = 2; tokens <= Math.max(2, most); tokens *= 2) graphs++;
    graphs = Math.max(4, graphs);
  }
  if (graphs === 1) return [largest];
  const halves = Array.from({ length: graphs }, (_, index) => Math.floor(largest / 2 ** index));
  const rounded = halves
    .filter((value, index) => index === 0 || value > 0)
    .map((value) => up(Math.max(2, value - (value % 2)), tp));
  const all = descending([...rounded, largest, tp]);
  return all.length <= graphs ? all : [...all.slice(0, graphs - 1), all[all.length - 1]];
}

/** Megatron's shapes, each once, in no order that counts. */
export function megatronShapeSet(given: Required<MegatronConfig>): MegatronShape[] {
  const { maxRequests, maxTokens, maxSequenceLength, numSpeculativeTokens, tensorParallelSize: tp } = given;
  if (given.numGraphs === null) return [];
  const asked = given.maxGraphTokens ?? 0;
  const largest = asked < 1 || asked > maxTokens ? maxTokens : asked;
  const numGraphs = given.numGraphs === -1 ? -1 : Math.min(Math.max(given.numGraphs, 1), largest);
  const config = { ...given, numGraphs };
  const s = 1 + numSpeculativeTokens;
  const shapes = new Map<string, MegatronShape>();
  const keep = (shape: MegatronShape): void => {
    const [tokens, prefills, decodes] = shape;
    if (tokens <= 0 || prefills + decodes > maxRequests) return;
    if (tokens < prefills + decodes * s || tokens > prefills * maxSequenceLength + decodes * s) return;
    shapes.set(shape.join(), shape);
  };

  if (given.nonDecodeGraphs && given.mixedPrefillRequestCount >= 1) {
    const linear = given.distribution === 'linear';
    const counts = where(maxRequests, (count) =>
      linear
        ? count === Math.min(given.mixedPrefillRequestCount, maxRequests)
        : count === maxRequests || Number.isInteger(Math.log2(count)),
    );
    for (const size of tokenCounts(config, largest)) {
      if (size < 2) continue;
      for (const prefills of counts) {
        let decodes = maxRequests - prefills;
        while (decodes > 0 && prefills + decodes * s > size) decodes--;
        keep([size, prefills, decodes]);
      }
      let least = linear ? given.mixedPrefillRequestCount : 1;
      while (least * Math.max(1, maxSequenceLength - 1) < size) least++;
      if (least < maxRequests) keep([size, Math.max(least, Math.min(maxRequests, size)), 0]);
    }
  }

  const most = Math.min(largest, maxRequests * s);
  const sizes = tokenCounts(config, most);
  if (numGraphs === -1) {
    let unit = s;
    while (unit % tp !== 0) unit += s;
    sizes.push(...[unit, 2 * unit].filter((tokens) => tokens <= most));
  }
  for (const size of sizes) {
    let decodes = maxRequests;
    while (decodes * s > size) decodes--;
    keep([decodes * s - ((decodes * s) % tp), 0, decodes]);
  }
  return [...shapes.values()];
}

/** The first of all shapes, by tokens, prefills and decodes, that holds a batch. */
export function megatronServes(
  shapes: readonly MegatronShape[],
  [tokens, prefills, decodes]: MegatronShape,
  strict: boolean,
): MegatronShape | null {
  let best: MegatronShape | null = null;
  const before = (a: MegatronShape, b: MegatronShape): boolean => {
    const at = a.findIndex((value, index) => value !== b[index]);
    return at >= 0 && a[at] < b[at];
  };
  for (const shape of shapes) {
    const [hasTokens, hasPrefills, hasDecodes] = shape;
    const holdsDecodes =
      strict || prefills === 0 ? hasDecodes >= decodes : hasPrefills + hasDecodes >= prefills + decodes;
    const rightKind = prefills > 0 || hasPrefills === 0;
    if (hasTokens < tokens || hasPrefills < prefills || !holdsDecodes || !rightKind) continue;
    if (best === null || before(shape, best)) best = shape;
  }
  return best;
}
