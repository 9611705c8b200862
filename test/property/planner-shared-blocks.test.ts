import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS, type Limits, LockstepError, type Row, StepPlanner } from '../../dist/entry/planner.js';
import { FACT_WORDS, word } from '../../dist/layout/layout.js';
import { loadModules } from '../../dist/memory/modules.js';
import { devicePort } from '../../dist/planner/index.js';
import { partTokens } from '../oracles/vote-oracle.js';
import { policyWith } from '../support/planner-setup.js';
import { FULL_RUN, runs } from '../support/property-runs.js';

const modules = await loadModules();

/** A request whose blocks come from a pool so small that others have them too. */
interface Sharing {
  readonly blockIds: number[];
  readonly start: number;
  readonly queryLen: number;
  readonly phase: 'decode' | 'prefill';
  /** Index of the request it says it depends on. */
  readonly dependsOn: number | undefined;
}

const batchArbitrary = fc
  .record({
    blockSize: fc.constantFrom(1, 2, 4),
    parts: fc.integer({ min: 1, max: 4 }),
    sharedBlocks: fc.constantFrom('layer-order' as const, 'veto' as const),
    pool: fc.integer({ min: 6, max: 60 }),
    groups: fc.constantFrom(1, 1, 2, 3),
    sharing: fc.nat(2),
    requests: fc.array(
      fc.record({
        blocks: fc.array(fc.nat(1000), { minLength: 1, maxLength: 5 }),
        start: fc.nat(1000),
        queryLen: fc.nat(1000),
        decode: fc.boolean(),
        idle: fc.integer({ min: 0, max: 5 }).map((value) => value === 0),
        dependsOn: fc.option(fc.nat(5), { nil: undefined, freq: 3 }),
      }),
      { minLength: 1, maxLength: 6 },
    ),
  })
  .map(({ requests, pool, blockSize, groups, sharing, ...rest }) => ({
    ...rest,
    blockSize,
    groups,
    /** The KV cache group whose blocks are shared: in each other one every request has blocks of its own. */
    sharing: sharing % groups,
    requests: requests.map(({ blocks, start, queryLen, decode, idle, dependsOn }): Sharing => {
      const covered = blocks.length * blockSize;
      const from = start % covered;
      const most = decode ? Math.min(2, covered - from) : covered - from;
      return {
        blockIds: blocks.map((block) => 1 + (block % pool)),
        start: from,
        queryLen: idle ? 0 : 1 + (queryLen % most),
        phase: decode ? 'decode' : 'prefill',
        dependsOn,
      };
    }),
  }));

function plannerOf(
  batch: typeof batchArbitrary extends fc.Arbitrary<infer T> ? T : never,
  checked: boolean,
): {
  planner: StepPlanner;
  rows: Row[];
} {
  const limits: Limits = {
    ...DEFAULT_LIMITS,
    maxNumSeqs: 6,
    maxNumBatchedTokens: 200,
    maxModelLen: 64,
    blockSize: batch.blockSize,
    kernelBlockSize: batch.blockSize,
    numBlocks: 100,
    queryLen: 2,
  };
  const policy = policyWith({ ubatches: batch.parts, sharedBlocks: batch.sharedBlocks });
  const ownSize = 2 * batch.blockSize;
  const kvGroups = Array.from({ length: batch.groups }, (_, group) => ({
    blockSize: group === batch.sharing ? batch.blockSize : ownSize,
  }));
  const { maxNumSeqs, maxNumBatchedTokens, maxModelLen, numBlocks, queryLen } = limits;
  const grouped = { maxNumSeqs, maxNumBatchedTokens, maxModelLen, numBlocks, queryLen, kvGroups };
  const given = batch.groups === 1 ? limits : grouped;
  const planner = new StepPlanner(modules, { limits: given, policy, poison: true, checked });
  const rows = batch.requests.map(({ blockIds, start }, request) => {
    const lists = kvGroups.map((_, group) =>
      group === batch.sharing ? blockIds : blockIds.map((_, index) => 1 + 5 * request + index),
    );
    return planner.requests.add({ blockIds: batch.groups === 1 ? blockIds : lists, numComputedTokens: start });
  });
  for (const [index, { queryLen, phase, dependsOn }] of batch.requests.entries()) {
    if (queryLen === 0) continue;
    const writer = dependsOn === undefined ? undefined : rows[dependsOn % rows.length];
    planner.requests.schedule(rows[index], { phase, queryLen, ...(writer !== undefined && { dependsOn: writer }) });
  }
  return { planner, rows };
}

/** Blocks of positions [begin, end). */
function blocksOf(request: Sharing, begin: number, end: number, blockSize: number): number[] {
  const positions = Array.from({ length: Math.max(0, end - begin) }, (_, index) => begin + index);
  return [...new Set(positions.map((position) => request.blockIds[Math.floor(position / blockSize)]))];
}

describe('blocks that several requests touch in one step', () => {
  it('are a fact of the batch: read before a later part writes them, or, where the policy vetoes, read by a prefill at all', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(batchArbitrary, (batch) => {
        const { parts, sharedBlocks, blockSize } = batch;
        const { planner } = plannerOf(batch, false);
        planner.vote();
        const { offset } = devicePort(planner).regions.region('facts');
        const found = new Int32Array(devicePort(planner).arena.buffer, offset)[word(FACT_WORDS, 'sharedBlock')];

        const scheduled = batch.requests.filter(({ queryLen }) => queryLen > 0);
        const entries = ['decode', 'prefill'].flatMap((phase) => scheduled.filter((entry) => entry.phase === phase));
        const cut = partTokens(
          entries.map((entry) => ({ ...entry, seqLen: entry.start + entry.queryLen })),
          parts,
          planner.policy,
        );
        const partAt = cut.flatMap((tokens, part) => Array.from({ length: tokens }, () => part));
        let token = 0;
        const tokens = entries.flatMap((entry) =>
          Array.from({ length: entry.queryLen }, (_, index) => ({
            entry,
            block: entry.blockIds[Math.floor((entry.start + index) / blockSize)],
            part: partAt[token++],
          })),
        );
        const expected = entries.some((reader) => {
          if (sharedBlocks === 'veto' && reader.phase === 'decode') return false;
          const first = tokens.find(({ entry }) => entry === reader)?.part ?? 0;
          const read = blocksOf(reader, 0, reader.start, blockSize);
          return read.some((block) => {
            const writes = tokens.filter((written) => written.block === block);
            const others = writes.some(({ entry }) => entry !== reader);
            return others && (sharedBlocks === 'veto' || writes.some(({ part }) => part > first));
          });
        });
        const counts = parts > 1 && entries.some(({ phase }) => phase === 'prefill');
        expect(found).toBe(counts && expected ? 1 : 0);
        if (counts) seen.add(`${sharedBlocks} ${expected}`);
      }),
      runs(4000),
    );
    const kinds = ['layer-order false', 'layer-order true', 'veto false', 'veto true'];
    if (FULL_RUN) expect([...seen].sort()).toEqual(kinds);
  });

  it('are refused in the checked mode unless the reader says it depends on the writer, and nothing changes', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(batchArbitrary, (batch) => {
        const { requests, blockSize } = batch;
        const { planner, rows } = plannerOf(batch, true);
        const conflicts = requests.flatMap((writer, index) =>
          blocksOf(writer, writer.start, writer.start + writer.queryLen, blockSize).flatMap((block) => {
            const twice = writer.blockIds.filter((other) => other === block).length > 1;
            const touching = requests.filter((other, at) => {
              if (at === index) return false;
              if (blocksOf(other, other.start, other.start + other.queryLen, blockSize).includes(block)) return true;
              const declared =
                other.queryLen > 0 && other.dependsOn !== undefined && other.dependsOn % rows.length === index;
              return !declared && blocksOf(other, 0, other.start, blockSize).includes(block);
            });
            return twice || touching.length > 0 ? [`${rows[index]} ${block}`] : [];
          }),
        );
        if (conflicts.length === 0) {
          seen.add('taken');
          planner.build(planner.resolve(planner.vote()));
          return;
        }
        seen.add('refused');
        for (let time = 0; time < 2; time++) {
          let error: unknown;
          try {
            planner.vote();
          } catch (thrown) {
            error = thrown;
          }
          if (!(error instanceof LockstepError)) throw new Error(`nothing was refused: ${conflicts}`);
          expect(error.code).toBe('ERR_BLOCK_CONFLICT');
          expect(conflicts).toContain(`${error.details.row} ${error.details.block}`);
          expect(error.details.group).toBe(batch.groups === 1 ? undefined : batch.sharing);
          expect(planner.frozen).toBe(false);
        }
        for (const row of rows) planner.requests.remove(row);
        planner.build(planner.resolve(planner.vote()));
      }),
      runs(4000),
    );
    if (FULL_RUN) expect([...seen].sort()).toEqual(['refused', 'taken']);
  });
});
