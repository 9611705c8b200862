import { LockstepError } from '../errors.js';
import type { DecisionView } from './decision.js';
import type { LocalPlan } from './local-plan.js';
import type { MetadataCounts, MetadataView } from './metadata.js';

/**
 * Checks every tensor of a step against its decision and local plan: lengths, padding, and that parts and whole agree.
 * Throws ERR_RANKS_DIVERGED naming the first entry that breaks the contract. For tests and for a switch in production:
 * it reads every entry.
 */
export function assertShapeContract(decision: DecisionView, local: LocalPlan): void {
  if (decision.step !== local.step) fail('local plan', `is of step ${local.step}`, `the decision of step ${decision.step}`);
  if (decision.run === 'park') return;
  const graph = decision.run !== 'eager';
  if (graph) {
    equal('paddedTokens', local.paddedTokens, decision.paddedTokens);
    if (decision.run === 'full') equal('attentionRequests', local.attentionRequests, decision.paddedRequests);
  }
  equal('parts', local.partCount, decision.partCount);
  checkView('whole', local.tensors, local);
  checkTable(local);
  if (local.partCount === 1) return;
  const parts = decision.parts;
  let logits = 0;
  for (const [index, agreed] of parts.entries()) {
    const part = local.part(index);
    const view = local.partTensors[index];
    equal(`parts[${index}].paddedTokens`, part.paddedTokens, agreed.paddedTokens);
    if (graph) equal(`parts[${index}].attentionRequests`, part.attentionRequests, agreed.paddedRequests);
    checkView(`parts[${index}]`, view, part);
    for (let token = part.tokens[0]; token < part.tokens[1]; token++) {
      const inPart = token - part.tokens[0];
      if (view.slotMapping[inPart] !== local.tensors.slotMapping[token] || view.positions[inPart] !== local.tensors.positions[token]) {
        fail(`parts[${index}] token ${inPart}`, 'differs', `token ${token} of the whole batch`);
      }
    }
    for (const [rank, tokens] of agreed.gather.tokensPerRank.entries()) equal(`parts[${index}].tokensPerRank[${rank}]`, view.tokensPerRank[rank], tokens);
    logits += part.numLogits;
  }
  equal('logits of all parts', logits, local.numLogits);
}

function checkView(name: string, view: MetadataView, counts: MetadataCounts): void {
  const { paddedTokens, attentionRequests } = counts;
  let starts = 0;
  for (let request = 0; request <= attentionRequests; request++) {
    const start = view.queryStartLoc[request];
    if (start < starts) fail(`${name}.queryStartLoc[${request}]`, `is ${start}`, `not below ${starts}`);
    starts = start;
  }
  if (view.queryStartLoc[0] !== 0) fail(`${name}.queryStartLoc[0]`, `is ${view.queryStartLoc[0]}`, '0');
  if (starts > paddedTokens) fail(`${name}.queryStartLoc`, `ends at ${starts}`, `at most ${paddedTokens}`);
  for (let token = 0; token < view.slotMapping.length; token++) {
    const padding = token >= paddedTokens || view.isPadding[token] === 1;
    if (!padding) {
      const request = view.tokenToRequest[token];
      if (request < 0 || token < view.queryStartLoc[request] || token >= view.queryStartLoc[request + 1]) {
        fail(`${name}.tokenToRequest[${token}]`, `is ${request}`, 'the request whose tokens hold it');
      }
      if (view.positions[token] >= view.seqLens[request]) fail(`${name}.positions[${token}]`, `is ${view.positions[token]}`, `below seqLens[${request}]`);
      continue;
    }
    if (view.slotMapping[token] !== -1n) fail(`${name}.slotMapping[${token}]`, `is ${view.slotMapping[token]}`, '-1 (padding)');
    if (token >= paddedTokens) continue;
    if (view.inputIds[token] !== 0 || view.positions[token] !== 0n || view.tokenToRequest[token] !== -1) {
      fail(`${name} token ${token}`, 'is padding and not cleared', 'id 0, position 0, request -1');
    }
  }
  for (let index = 0; index < counts.numLogits; index++) {
    const token = view.logitsIndices[index];
    if (token < 0 || token >= paddedTokens || view.isPadding[token] === 1) fail(`${name}.logitsIndices[${index}]`, `is ${token}`, 'a real token');
  }
}

function checkTable(local: LocalPlan): void {
  for (let row = 0; row < local.attentionRequests; row++) {
    const from = row * local.tableWidth;
    let ended = row >= local.requests;
    for (let column = 0; column < local.tableWidth; column++) {
      const block = local.blockTable[from + column];
      if (ended && block !== 0) fail(`blockTable[${row}, ${column}]`, `is ${block}`, '0 after the last block');
      if (block === 0) ended = true;
    }
  }
}

function equal(name: string, found: number, expected: number): void {
  if (found !== expected) fail(name, `is ${found}`, String(expected));
}

function fail(name: string, found: string, expected: string): never {
  throw new LockstepError('ERR_RANKS_DIVERGED', `Shape contract: ${name} ${found}; expected ${expected}`, { tensor: name });
}
