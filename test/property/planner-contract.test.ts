import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  assertShapeContract,
  type ForwardBatch,
  type KvGroupMetadata,
  type MetadataView,
  type StepPlanner,
} from '../../dist/entry/planner.js';
import { LOCAL_WORDS } from '../../dist/layout/layout.js';
import { loadModules } from '../../dist/memory/modules.js';
import { devicePort } from '../../dist/planner/index.js';
import { refusedWith } from '../support/expectations.js';
import { PlannerSession } from '../support/planner-session.js';
import { setupArbitrary } from '../support/planner-setup.js';
import { FULL_RUN, runs } from '../support/property-runs.js';
import { sessionArbitrary } from '../support/session-steps.js';

const modules = await loadModules();

/** A way to break one entry of a step: its tensor, and a value that the contract does not allow there. */
interface Corruption {
  readonly kind: string;
  readonly array: Int32Array | BigInt64Array;
  readonly index: number;
  readonly value: number | bigint;
}

function corruptionsOf(planner: StepPlanner): Corruption[] {
  const { local, decision } = planner;
  const list: Corruption[] = [];
  const cut = local.partCount > 1;
  corruptView('whole', local.writtenTensors, local, list);
  for (let index = 0; cut && index < local.partCount; index++) {
    const view = local.writtenPartTensors[index];
    const part = local.part(index);
    corruptView('part', view, part, list);
    for (let token = 0; token < part.paddedTokens; token++) {
      list.push({ kind: 'part inputIds', array: view.inputIds, index: token, value: view.inputIds[token] + 1 });
    }
  }
  const { blockTable, tableWidth, attentionRequests } = local;
  for (let index = 0; index < attentionRequests * tableWidth; index++) {
    list.push({ kind: 'blockTable', array: blockTable, index, value: -1 });
    if (blockTable[index] === 0 && Math.floor(index / tableWidth) >= local.requests) {
      list.push({ kind: 'blockTable pad row', array: blockTable, index, value: 5 });
    }
    const row = Math.floor(index / tableWidth);
    if (
      row < local.requests &&
      index % tableWidth === 0 &&
      local.tensors.slotMapping[local.tensors.queryStartLoc[row]] >= 0n
    ) {
      list.push({ kind: 'blockTable null', array: blockTable, index, value: 0 });
    }
  }
  for (const group of local.groups.slice(1)) corruptGroup(group, local, list);
  const { offset } = devicePort(planner).regions.region('local');
  const words = new Int32Array(devicePort(planner).arena.buffer, offset, LOCAL_WORDS.length);
  for (const name of ['step', 'paddedTokens', 'attentionRequests', 'queryLen', 'parts', 'numLogits'] as const) {
    const index = LOCAL_WORDS.indexOf(name);
    list.push({ kind: `local.${name}`, array: words, index, value: words[index] + 1 });
  }
  for (let rank = 0; rank < decision.ranks; rank++) {
    const array = local.tensors.tokensPerRank;
    list.push({ kind: 'whole tokensPerRank', array, index: rank, value: array[rank] + 1 });
  }
  return list;
}

/** Entries that a KV cache group other than the first has of its own. */
function corruptGroup(group: KvGroupMetadata, local: ForwardBatch, list: Corruption[]): void {
  for (let index = 0; index < local.attentionRequests * group.tableWidth; index++) {
    list.push({ kind: 'group blockTable', array: group.blockTable, index, value: -1 });
  }
  const cut = local.partCount > 1 ? local.partCount : 0;
  for (let at = 0; at <= cut; at++) {
    const name = at === 0 ? 'group whole' : 'group part';
    const view = at === 0 ? group.tensors : group.partTensors[at - 1];
    const { paddedTokens, attentionRequests } = at === 0 ? local : local.part(at - 1);
    for (const [token, slot] of view.slotMapping.entries()) {
      const kind = token < paddedTokens ? 'slotMapping' : 'slotMapping beyond';
      list.push({
        kind: `${name} ${kind}`,
        array: view.slotMapping,
        index: token,
        value: slot === -1n ? 3n : slot + 1n,
      });
    }
    for (let index = 0; index < (view.kvIndptr[attentionRequests] ?? 0); index++) {
      list.push({ kind: `${name} kvIndices`, array: view.kvIndices, index, value: view.kvIndices[index] + 1 });
    }
  }
}

function corruptView(
  name: string,
  view: MetadataView,
  counts: { paddedTokens: number; attentionRequests: number; numLogits: number },
  list: Corruption[],
): void {
  const add = (tensor: keyof MetadataView, index: number, value: number | bigint, kind = ''): void => {
    list.push({ kind: `${name} ${tensor}${kind}`, array: view[tensor], index, value });
  };
  for (let token = 0; token < view.slotMapping.length; token++) {
    const slot = view.slotMapping[token];
    if (token >= counts.paddedTokens) {
      add('slotMapping', token, 3n, ' beyond');
      continue;
    }
    const padding = view.isPadding[token] === 1;
    add('slotMapping', token, slot === -1n ? 3n : slot + 1n, padding ? ' padding' : '');
    if (slot >= 0n) add('slotMapping', token, -1n, ' missing');
    if (padding) add('inputIds', token, 7, ' padding');
    add('positions', token, view.positions[token] + 1n, padding ? ' padding' : '');
    add('tokenToRequest', token, view.tokenToRequest[token] + 1, padding ? ' padding' : '');
    add('tokenToRequest', token, 100_000);
    add('isPadding', token, 1 - view.isPadding[token], padding ? ' padding' : '');
    add('isPadding', token, 2);
  }
  for (let request = 0; request <= counts.attentionRequests; request++) {
    add('queryStartLoc', request, view.queryStartLoc[request] + 1);
    add('queryStartLoc', request, view.queryStartLoc[request] - 1);
    if (request < counts.attentionRequests) add('seqLens', request, view.seqLens[request] + 1);
  }
  for (let index = 0; index < counts.numLogits; index++) {
    add('logitsIndices', index, -1);
    add('logitsIndices', index, counts.paddedTokens);
    if (counts.numLogits > 1) add('logitsIndices', index, view.logitsIndices[index === 0 ? 1 : index - 1], ' repeated');
  }
  for (let rank = 0; rank < view.tokensPerRank.length; rank++) {
    add('tokensPerRank', rank, view.tokensPerRank[rank] + 1);
    add('tokensPerRankReal', rank, view.tokensPerRank[rank] + 1);
    add('tokensPerRankReal', rank, -1);
  }
  if (view.kvIndptr.length === 0) return;
  for (let request = 0; request <= counts.attentionRequests; request++) {
    add('kvIndptr', request, view.kvIndptr[request] + 1);
    if (request < counts.attentionRequests) add('kvLastPageLen', request, view.kvLastPageLen[request] - 1);
  }
  for (let index = 0; index < view.kvIndptr[counts.attentionRequests]; index++) {
    add('kvIndices', index, view.kvIndices[index] + 1);
  }
}

function groupByKind(corruptions: readonly Corruption[]): Record<string, Corruption[]> {
  const groups: Record<string, Corruption[]> = {};
  for (const corruption of corruptions) {
    groups[corruption.kind] ??= [];
    groups[corruption.kind].push(corruption);
  }
  return groups;
}

function pick<T>(from: readonly T[], picks: Iterator<number>): T {
  return from[(picks.next().value ?? 0) % from.length];
}

describe('assertShapeContract', () => {
  it('passes on every step, and names the tensor of any one entry that is changed', () => {
    const caught = new Set<string>();
    fc.assert(
      fc.property(setupArbitrary, sessionArbitrary, fc.infiniteStream(fc.nat()), (setup, steps, picks) => {
        const session = new PlannerSession(modules, setup, [true]);
        const [planner] = session.planners;
        for (const step of steps) {
          for (const edit of step.edits) session.edit(edit, step.decodeOnly);
          if (session.step(step)?.plain === undefined) continue;
          const corruptions = groupByKind(corruptionsOf(planner));
          for (let time = 0; time < 12; time++) {
            // A kind first, one that has not come up yet if there is any, then one of its entries: else rare kinds might never.
            const fresh = Object.keys(corruptions).filter((kind) => !caught.has(kind));
            const ofKind = corruptions[pick(fresh.length > 0 ? fresh : Object.keys(corruptions), picks)];
            const { kind, array, index, value } = pick(ofKind, picks);
            const kept = array[index];
            array[index] = value;
            const error = refusedWith('ERR_SHAPE_CONTRACT', () => {
              assertShapeContract(planner.decision, planner.local);
              throw new Error(`${kind}[${index}] is ${value} instead of ${kept}, and nothing was noticed`);
            });
            array[index] = kept;
            expect(error.message).toMatch(/^Shape contract: /);
            caught.add(kind);
          }
          assertShapeContract(planner.decision, planner.local);
        }
      }),
      runs(1000),
    );
    if (!FULL_RUN) return;
    for (const view of ['whole', 'part']) {
      const tensors = ['positions', 'slotMapping', 'tokenToRequest', 'isPadding'].flatMap((name) => [
        name,
        `${name} padding`,
      ]);
      const others = ['slotMapping beyond', 'slotMapping missing', 'inputIds padding', 'queryStartLoc', 'seqLens'];
      const added = ['tokensPerRankReal', 'kvIndptr', 'kvIndices', 'kvLastPageLen'];
      for (const name of [
        ...tensors,
        ...others,
        'logitsIndices',
        'logitsIndices repeated',
        'tokensPerRank',
        ...added,
      ]) {
        expect(caught).toContain(`${view} ${name}`);
      }
    }
    const ofGroups = ['group blockTable'];
    for (const view of ['group whole', 'group part']) {
      ofGroups.push(`${view} slotMapping`, `${view} slotMapping beyond`, `${view} kvIndices`);
    }
    for (const kind of ['blockTable', 'blockTable pad row', 'blockTable null', 'part inputIds', ...ofGroups])
      expect(caught).toContain(kind);
  });
});
