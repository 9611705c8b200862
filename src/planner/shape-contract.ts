import type { DecisionView } from '../agreement/index.js';
import type { ForwardBatch, KvGroupTensors, MetadataCounts, MetadataView } from '../batch/index.js';
import { checkArguments } from '../checks.js';
import { checkGroupSlots, checkGroupTable, groupName } from './kv-group-contract.js';
import { checkPagedKv } from './paged-kv-contract.js';
import { equal, fail, storedBefore } from './shape-checks.js';

/** The counts of a view. Its first rows and tokens are real, the rest padding; the first real rows decode. */
interface ViewShape extends MetadataCounts {
  /** Rows up to the last request's. */
  readonly rows: number;
  readonly decodeRequests: number;
  /** First row after the gap that follows the decodes in a mixed graph: `decodeRequests` where there is none. */
  readonly gapEnd: number;
  /** Tokens before the padding at the end, short windows' padding included. */
  readonly tokens: number;
  /** Row of the block table of the view's first request. */
  readonly tableRow: number;
}

/**
 * Checks every tensor of a step against its decision and forward batch: counts, padding, positions, slots against the block
 * table, logits, and that parts and whole agree. Throws ERR_SHAPE_CONTRACT naming the first entry that breaks the contract.
 * For tensors that the device supplies it reads the planner's own copy. For tests and for a switch in production: it reads every entry.
 */
export function assertShapeContract(decision: DecisionView, local: ForwardBatch): void {
  checkArguments('assertShapeContract', { decision: [decision, 'object', 'run'], local: [local, 'object'] });
  equal('step of the forward batch', local.step, decision.step);
  equal('parts', local.partCount, decision.partCount);
  if (decision.run === 'park') return;
  const graph = decision.run !== 'eager';
  if (graph) equal('paddedTokens', local.paddedTokens, decision.paddedTokens);
  else equal('paddedTokens', local.paddedTokens, eagerTokens(decision, local));
  if (decision.run !== 'piecewise') {
    equal('attentionRequests', local.attentionRequests, graph ? decision.paddedRequests : Math.max(1, local.requests));
  }
  // Only a decode graph gives each request a window; with slots for prefills, requests are packed.
  equal('queryLen', local.queryLen, decision.paddedPrefillRequests > 0 ? 0 : decision.queryLen);
  const tokens = local.queryLen > 0 ? local.requests * local.queryLen : local.tokens;
  const { attentionRequests, paddedTokens, numLogits, rows, requests, decodeRequests } = local;
  const gapEnd = decodeRequests + rows - requests;
  const isReal = (row: number): boolean => row < rows && !inGap({ decodeRequests, gapEnd }, row);
  for (const group of local.groups) checkGroupTable(local, group, isReal);
  checkView(
    'whole',
    local.writtenTensors,
    local.groups.map((group) => group.tensors),
    { attentionRequests, paddedTokens, numLogits, rows, decodeRequests, gapEnd, tokens, tableRow: 0 },
    local,
  );
  checkParts(decision, local, graph, tokens);
}

/** An eager step that is cut into parts pads only its parts. */
function eagerTokens(decision: DecisionView, local: ForwardBatch): number {
  return decision.partCount > 1 ? local.tokens : decision.parts[0].gather.tokensPerRank[local.sizes.rank];
}

function checkParts(decision: DecisionView, local: ForwardBatch, graph: boolean, tokens: number): void {
  const cut = local.partCount > 1;
  const total = new Array<number>(local.writtenTensors.tokensPerRank.length).fill(0);
  const real = [...total];
  let begin = 0;
  let covered = 0;
  let logits = 0;
  for (const [index, agreed] of decision.parts.entries()) {
    const name = `parts[${index}]`;
    const part = local.part(index);
    if (cut || graph) equal(`${name}.paddedTokens`, part.paddedTokens, agreed.paddedTokens);
    if (decision.run === 'full') equal(`${name}.attentionRequests`, part.attentionRequests, agreed.paddedRequests);
    if (part.paddedTokens < 1)
      fail(`${name}.paddedTokens`, `is ${part.paddedTokens}`, 'at least 1: a part runs on every rank');
    equal(
      `${name}.tokensPerRank[${local.sizes.rank}]`,
      agreed.gather.tokensPerRank[local.sizes.rank],
      part.paddedTokens,
    );
    for (const [rank, count] of agreed.gather.tokensPerRank.entries()) {
      total[rank] += count;
      if (!cut) continue;
      const { tokensPerRank, tokensPerRankReal } = local.writtenPartTensors[index];
      equal(`${name}.tokensPerRank[${rank}]`, tokensPerRank[rank], count);
      checkReal(name, tokensPerRankReal, rank, count);
      real[rank] += tokensPerRankReal[rank];
    }
    if (cut) {
      const own = local.writtenPartTensors[index].tokensPerRankReal[local.sizes.rank];
      equal(`${name}.tokensPerRankReal[${local.sizes.rank}]`, own, part.tokenEnd - part.tokenBegin);
    }
    equal(`${name}.tokens[0]`, part.tokens[0], begin);
    begin = graph ? begin + part.paddedTokens : part.tokens[1];
    covered += Math.min(part.tokens[1], tokens) - Math.min(part.tokens[0], tokens);
    logits += part.numLogits;
    if (cut) checkPart(name, local, index);
  }
  equal('tokens of all parts', covered, tokens);
  equal('logits of all parts', logits, local.numLogits);
  const { tokensPerRank, tokensPerRankReal } = local.writtenTensors;
  for (const [rank, count] of total.entries()) {
    equal(`whole.tokensPerRank[${rank}]`, tokensPerRank[rank], count);
    checkReal('whole', tokensPerRankReal, rank, count);
    if (cut) equal(`whole.tokensPerRankReal[${rank}]`, tokensPerRankReal[rank], real[rank]);
  }
  equal(`whole.tokensPerRankReal[${local.sizes.rank}]`, tokensPerRankReal[local.sizes.rank], tokens);
}

/** A rank has no more tokens than it moves. */
function checkReal(name: string, tokensPerRankReal: Int32Array, rank: number, padded: number): void {
  const count = tokensPerRankReal[rank];
  if (count < 0 || count > padded) fail(`${name}.tokensPerRankReal[${rank}]`, `is ${count}`, `0 to ${padded}`);
}

function checkPart(name: string, local: ForwardBatch, index: number): void {
  const part = local.part(index).snapshot();
  const view = local.writtenPartTensors[index];
  const [first, end] = part.requests;
  const decodeRequests = Math.max(0, Math.min(end, local.decodeRequests) - first);
  equal(`${name}.tableRow`, part.tableRow, first);
  checkView(
    name,
    view,
    local.groups.map((group) => group.partTensors[index]),
    {
      ...part,
      rows: end - first,
      decodeRequests,
      gapEnd: decodeRequests,
      tokens: part.tokens[1] - part.tokens[0],
    },
    local,
  );
  for (let token = part.tokens[0]; token < part.tokens[1]; token++) {
    const inPart = token - part.tokens[0];
    const whole = local.writtenTensors;
    const request = view.tokenToRequest[inPart];
    const same =
      view.inputIds[inPart] === whole.inputIds[token] &&
      view.positions[inPart] === whole.positions[token] &&
      view.slotMapping[inPart] === whole.slotMapping[token] &&
      view.isPadding[inPart] === whole.isPadding[token] &&
      (request < 0 ? request : request + first) === whole.tokenToRequest[token];
    if (!same) fail(`${name} token ${inPart}`, 'differs', `what token ${token} of the whole batch holds`);
  }
}

/** `groups`: what each KV cache group has of its own in the view. */
function checkView(
  name: string,
  view: MetadataView,
  groups: readonly KvGroupTensors[],
  shape: ViewShape,
  local: ForwardBatch,
): void {
  checkRequests(name, view, shape, local);
  if (local.groups[0].sizes.maxKvIndices > 0) {
    const { attentionRequests, tableRow } = shape;
    const isReal = (row: number): boolean => row < shape.rows && !inGap(shape, row);
    const rows = { seqLens: view.seqLens, attentionRequests, tableRow, isReal };
    for (const group of local.groups) {
      checkPagedKv(groupName(name, group), groups[group.sizes.index], rows, local, group);
    }
  }
  let logits = 0;
  for (let request = 0; request < shape.rows; request++) {
    if (inGap(shape, request)) continue;
    const begin = view.queryStartLoc[request];
    const end = view.queryStartLoc[request + 1];
    let real = 0;
    while (begin + real < end && view.isPadding[begin + real] === 0) real += 1;
    if (real === 0 || (local.queryLen === 0 && begin + real < end))
      fail(`${name}.isPadding[${begin + real}]`, 'is set', 'a real token');
    for (let index = 0; index < real; index++) {
      const token = begin + index;
      const position = view.seqLens[request] - real + index;
      equal(`${name}.tokenToRequest[${token}]`, view.tokenToRequest[token], request);
      equal(`${name}.positions[${token}]`, view.positions[token], BigInt(position));
      if (request < shape.decodeRequests)
        equal(`${name}.logitsIndices[${logits}]`, view.logitsIndices[logits++], token);
    }
    for (let token = begin + real; token < end; token++) checkPadding(name, view, token);
    if (request >= shape.decodeRequests && logits < shape.numLogits && view.logitsIndices[logits] === end - 1)
      logits += 1;
  }
  if (logits !== shape.numLogits)
    fail(
      `${name}.logitsIndices[${logits}]`,
      `is ${view.logitsIndices[logits]}`,
      'the last token of a prompt chunk, in order',
    );
  for (let token = shape.tokens; token < shape.paddedTokens; token++) checkPadding(name, view, token);
  for (const group of local.groups) {
    checkGroupSlots(name, groups[group.sizes.index], view, shape, local, group);
  }
}

function checkRequests(name: string, view: MetadataView, shape: ViewShape, local: ForwardBatch): void {
  const { queryLen: window } = local;
  const { paddedSeqLen, contextParallelSize } = local.sizes;
  const starts = view.queryStartLoc;
  equal(`${name}.queryStartLoc[0]`, starts[0], 0);
  for (let request = 0; request < shape.rows; request++) {
    if (inGap(shape, request)) {
      equal(`${name}.queryStartLoc[${request + 1}]`, starts[request + 1], starts[request]);
      equal(`${name}.seqLens[${request}]`, view.seqLens[request], paddedSeqLen);
      continue;
    }
    if (window > 0) equal(`${name}.queryStartLoc[${request + 1}]`, starts[request + 1], (request + 1) * window);
    if (starts[request + 1] <= starts[request])
      fail(`${name}.queryStartLoc[${request + 1}]`, `is ${starts[request + 1]}`, `above ${starts[request]}`);
  }
  if (contextParallelSize > 1) checkLocalSeqLens(name, view, shape, local);
  for (let request = shape.rows; request <= shape.attentionRequests; request++) {
    equal(`${name}.queryStartLoc[${request}]`, starts[request], shape.tokens);
    if (request < shape.attentionRequests) equal(`${name}.seqLens[${request}]`, view.seqLens[request], paddedSeqLen);
  }
}

/** The number of a request's tokens that this rank stores; 0 in a padded row. */
function checkLocalSeqLens(name: string, view: MetadataView, shape: ViewShape, local: ForwardBatch): void {
  for (let request = 0; request < shape.attentionRequests; request++) {
    const real = request < shape.rows && !inGap(shape, request);
    const stored = real ? storedBefore(local, view.seqLens[request]) : 0;
    equal(`${name}.localSeqLens[${request}]`, view.localSeqLens[request], stored);
  }
}

function inGap(shape: Pick<ViewShape, 'decodeRequests' | 'gapEnd'>, row: number): boolean {
  return row >= shape.decodeRequests && row < shape.gapEnd;
}

function checkPadding(name: string, view: MetadataView, token: number): void {
  equal(`${name}.inputIds[${token}]`, view.inputIds[token], 0);
  equal(`${name}.positions[${token}]`, view.positions[token], 0n);
  equal(`${name}.tokenToRequest[${token}]`, view.tokenToRequest[token], -1);
  equal(`${name}.isPadding[${token}]`, view.isPadding[token], 1);
}
