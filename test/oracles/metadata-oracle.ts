import type { DecisionValue, Limits, PaddingName } from '../../dist/entry/planner.js';
import type { PlainEntry } from './batch-oracle.js';
import { slotsOf } from './slot-oracle.js';

/** One token of a view; `request` is -1 where it is padding. */
interface Token {
  readonly id: number;
  readonly position: number;
  readonly slot: bigint;
  readonly request: number;
  /** Its logits are wanted. */
  readonly logits: boolean;
}

const PADDING: Token = { id: 0, position: 0, slot: -1n, request: -1, logits: false };

/** The tensors of a view, each as long as the step needs. */
export interface PlainTensors {
  readonly inputIds: number[];
  readonly positions: number[];
  readonly slotMapping: bigint[];
  readonly queryStartLoc: number[];
  readonly seqLens: number[];
  readonly tokenToRequest: number[];
  readonly isPadding: number[];
  readonly logitsIndices: number[];
  readonly tokensPerRank: number[];
  /** Empty without context parallelism. */
  readonly localSeqLens: number[];
  readonly tokensPerRankReal: number[];
  /** These three are empty unless they were asked for. */
  readonly kvIndptr: number[];
  readonly kvIndices: number[];
  readonly kvLastPageLen: number[];
}

export interface PlainPart {
  readonly requests: readonly [number, number];
  readonly tokens: readonly [number, number];
  readonly paddedTokens: number;
  readonly attentionRequests: number;
  readonly tableRow: number;
  readonly numLogits: number;
}

/** What a rank's vote says of its tokens. */
export interface PlainCounts {
  readonly tokens: number;
  readonly decodeRequests: number;
  readonly partTokens: readonly number[];
}

/** What a step's tensors depend on beside its batch and decision. */
export interface PlainOptions {
  readonly mixed?: MixedRows | undefined;
  readonly padding?: PaddingName;
  /** The tensors of CSR kernels too. Default false. */
  readonly csr?: boolean;
  readonly votes?: readonly PlainCounts[];
}

/** What a view's tensors depend on beside its tokens. */
interface ViewContext {
  readonly limits: Limits;
  readonly paddedSeqLen: number;
  readonly csr: boolean;
  /** Blocks of the request in each row. */
  readonly blocks: readonly (readonly number[])[];
  readonly tokensPerRank: number[];
  readonly tokensPerRankReal: number[];
}

/** What a mixed graph's attention was captured for: decode rows, then prefill rows. */
export interface MixedRows {
  readonly decodes: number;
  readonly prefills: number;
}

export interface PlainStep {
  readonly paddedTokens: number;
  readonly attentionRequests: number;
  readonly queryLen: number;
  readonly tensors: PlainTensors;
  readonly blockTable: number[];
  readonly parts: PlainPart[];
  readonly partTensors: PlainTensors[];
}

/**
 * A rank's tensors under a decision that is not `park`, under the padding contract of the policy `lockstep`.
 * `entries` are its chunks, decodes first; `cut` says where it would cut its own tokens into parts, 'agreed' that it cuts them
 * where the decision's sizes end; `mixed` is given where the decision's graph is a mixed one. `votes` are those of all ranks,
 * needed where there are several.
 */
export function buildPlain(
  entries: readonly PlainEntry[],
  decision: DecisionValue,
  rank: number,
  limits: Limits,
  cut: readonly number[] | 'agreed',
  { mixed, padding = 'lockstep', csr = false, votes }: PlainOptions = {},
): PlainStep {
  const full = decision.run === 'full';
  const graph = full || decision.run === 'piecewise';
  const cutIntoParts = decision.parts.length > 1;
  const rows = mixed === undefined ? entries : mixedRows(entries, mixed);
  const context = { limits, paddedSeqLen: padding === 'lockstep' ? 0 : 1, csr };
  // In a decode graph each request has a window of the key's query length; all others are packed.
  const stride = full && mixed === undefined ? decision.queryLen : 0;
  const windows = rows.map((entry, request) => {
    if (entry === undefined) return [];
    const slots = slotsOf(entry.blockIds, entry.start + entry.queryLen, limits);
    const window = Array.from({ length: entry.queryLen }, (_, index): Token => {
      const last = index === entry.queryLen - 1;
      return {
        id: entry.inputIds?.[index] ?? 0,
        position: entry.start + index,
        slot: slots[entry.start + index],
        request,
        logits: entry.phase === 'decode' || (entry.lastChunk && last),
      };
    });
    return padded(window, stride);
  });
  const packed = windows.flat();
  const ownTokens = decision.parts[0].gather.tokensPerRank[rank];
  const paddedTokens = graph ? decision.paddedTokens : cutIntoParts ? packed.length : ownTokens;
  const attentionRequests = full ? decision.paddedRequests : Math.max(1, entries.length);
  const whole = padded(packed, paddedTokens);
  const lengths = windows.map((window) => window.length);
  const ranks = decision.parts[0].gather.tokensPerRank.map((_, r) =>
    decision.parts.reduce((sum, part) => sum + part.gather.tokensPerRank[r], 0),
  );
  // A graph's part takes the tokens its key gives it, whoever's they are; an eager one may take those of the rank's own cut.
  const own = graph || cut === 'agreed' ? undefined : cut;
  const counts = votes ?? [{ tokens: packed.length, decodeRequests: entries.length, partTokens: own ?? [] }];
  const real = decision.parts.map((agreed, index) => {
    const begin = decision.parts.slice(0, index).reduce((sum, part) => sum + part.paddedTokens, 0);
    return counts.map(({ tokens, decodeRequests, partTokens }) => {
      const all = stride > 0 ? decodeRequests * stride : tokens;
      if (!cutIntoParts) return all;
      return own === undefined ? overlap(0, all, begin, begin + agreed.paddedTokens) : partTokens[index];
    });
  });
  const realOfAll = counts.map((_, r) => real.reduce((sum, part) => sum + part[r], 0));
  const blocksFrom = (first: number): (readonly number[])[] => rows.slice(first).map((entry) => entry?.blockIds ?? []);
  const tensors = tensorsOf(whole, lengths, attentionRequests, {
    ...context,
    tokensPerRank: ranks,
    tokensPerRankReal: realOfAll,
    blocks: blocksFrom(0),
  });
  const step = {
    paddedTokens,
    attentionRequests,
    queryLen: stride,
    tensors,
    blockTable: blockTable(rows, attentionRequests, limits),
  };
  if (!cutIntoParts) {
    const part: PlainPart = {
      requests: [0, rows.length],
      tokens: [0, packed.length],
      paddedTokens,
      attentionRequests,
      tableRow: 0,
      numLogits: tensors.logitsIndices.length,
    };
    return { ...step, parts: [part], partTensors: [] };
  }

  const parts: PlainPart[] = [];
  const partTensors: PlainTensors[] = [];
  let begin = 0;
  let tableRow = 0;
  for (const [index, agreed] of decision.parts.entries()) {
    const share = begin + (own === undefined ? agreed.paddedTokens : own[index]);
    const end = graph ? share : Math.min(share, packed.length);
    const tokens = packed.slice(begin, end);
    const inside = windows.flatMap((_, request) =>
      tokens.some((token) => token.request === request) ? [request] : [],
    );
    const empty = full ? tableRow : 0;
    const first = inside[0] ?? empty;
    const partRequests = full ? agreed.paddedRequests : Math.max(1, inside.length);
    const inPart = tokens.map((token) => (token.request < 0 ? token : { ...token, request: token.request - first }));
    const lengthsInside = inside.map((request) => overlap(startOf(lengths, request), lengths[request], begin, end));
    const view = tensorsOf(padded(inPart, agreed.paddedTokens), lengthsInside, partRequests, {
      ...context,
      tokensPerRank: [...agreed.gather.tokensPerRank],
      tokensPerRankReal: real[index],
      blocks: blocksFrom(first),
    });
    partTensors.push(view);
    parts.push({
      requests: [first, first + inside.length],
      tokens: [begin, begin + tokens.length],
      paddedTokens: agreed.paddedTokens,
      attentionRequests: partRequests,
      tableRow: first,
      numLogits: view.logitsIndices.length,
    });
    begin = end;
    tableRow += partRequests;
  }
  return { ...step, parts, partTensors };
}

/** Decodes, the decode rows they leave empty, and prefills. Decodes beyond the decode rows take prefill rows. */
function mixedRows(entries: readonly PlainEntry[], mixed: MixedRows): (PlainEntry | undefined)[] {
  const decodes = entries.filter(({ phase }) => phase === 'decode');
  const prefills = entries.filter(({ phase }) => phase === 'prefill');
  if (prefills.length === 0) return decodes;
  const gap = Array.from({ length: Math.max(0, mixed.decodes - decodes.length) }, () => undefined);
  return [...decodes, ...gap, ...prefills];
}

function padded(tokens: readonly Token[], length: number): Token[] {
  return [...tokens, ...Array.from({ length: Math.max(0, length - tokens.length) }, () => PADDING)];
}

/** `lengths[r]` tokens of the view belong to request r, the padding of its window included. */
function tensorsOf(
  tokens: readonly Token[],
  lengths: readonly number[],
  attentionRequests: number,
  { limits, paddedSeqLen, csr, blocks, tokensPerRank, tokensPerRankReal }: ViewContext,
): PlainTensors {
  // All of a request that is written by the end of this view: its last token is the newest.
  const seqLens = Array.from({ length: attentionRequests }, (_, request) =>
    Math.max(0, ...tokens.filter((token) => token.request === request).map(({ position }) => position + 1)),
  );
  // The slots that each request's tokens are stored in, in order; a padded request's one token is in the null block.
  const pages = seqLens.map((length, request) =>
    length === 0
      ? Array.from({ length: paddedSeqLen }, () => 0n)
      : slotsOf(blocks[request], length, limits).filter((slot) => slot >= 0n),
  );
  const isMine = (position: number): boolean =>
    Math.floor(position / limits.interleaveSize) % limits.contextParallelSize === limits.contextParallelRank;
  return {
    inputIds: tokens.map(({ id }) => id),
    positions: tokens.map(({ position }) => position),
    slotMapping: tokens.map(({ slot }) => slot),
    queryStartLoc: Array.from({ length: attentionRequests + 1 }, (_, request) => startOf(lengths, request)),
    seqLens: seqLens.map((length) => (length === 0 ? paddedSeqLen : length)),
    localSeqLens:
      limits.contextParallelSize === 1
        ? []
        : seqLens.map((length) => Array.from({ length }, (_, position) => position).filter(isMine).length),
    tokenToRequest: tokens.map(({ request }) => request),
    isPadding: tokens.map(({ request }) => (request < 0 ? 1 : 0)),
    logitsIndices: tokens.flatMap(({ logits }, index) => (logits ? [index] : [])),
    tokensPerRank,
    tokensPerRankReal,
    ...(csr ? pagedKv(pages, limits) : { kvIndptr: [], kvIndices: [], kvLastPageLen: [] }),
  };
}

/** Kernel blocks that the stored tokens fill one after the other, and how many of each request's are in its last one. */
function pagedKv(
  stored: readonly bigint[][],
  limits: Limits,
): Pick<PlainTensors, 'kvIndptr' | 'kvIndices' | 'kvLastPageLen'> {
  const page = limits.kernelBlockSize;
  const blocks = stored.map((slots) =>
    slots.filter((_, index) => index % page === 0).map((slot) => Number(slot / BigInt(page))),
  );
  const lengths = blocks.map((ids) => ids.length);
  return {
    kvIndptr: Array.from({ length: stored.length + 1 }, (_, request) => startOf(lengths, request)),
    kvIndices: blocks.flat(),
    kvLastPageLen: stored.map((slots) => (slots.length === 0 ? 1 : ((slots.length - 1) % page) + 1)),
  };
}

function startOf(lengths: readonly number[], request: number): number {
  return lengths.slice(0, request).reduce((sum, length) => sum + length, 0);
}

function overlap(start: number, length: number, begin: number, end: number): number {
  return Math.max(0, Math.min(start + length, end) - Math.max(start, begin));
}

/** Kernel blocks of each request, a manager's block being several consecutive ones; 0 everywhere else. */
function blockTable(entries: readonly (PlainEntry | undefined)[], rows: number, limits: Limits): number[] {
  const perBlock = limits.blockSize / limits.kernelBlockSize;
  const width = Math.ceil(limits.maxModelLen / (limits.blockSize * limits.contextParallelSize)) * perBlock;
  return Array.from({ length: rows }, (_, row) => {
    const kernelBlocks = (entries[row]?.blockIds ?? []).flatMap((block) =>
      Array.from({ length: perBlock }, (_, index) => block * perBlock + index),
    );
    return [...kernelBlocks, ...Array.from({ length: width - kernelBlocks.length }, () => 0)];
  }).flat();
}
