import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { auditLadder } from '../../../dist/entry/capture.js';
import { vllmCaptureSizes, vllmLadder } from '../../../dist/entry/engines.js';
import { runs } from '../../support/property-runs.js';

const limits = { maxNumSeqs: 256, maxNumBatchedTokens: 8192, queryLen: 1 };

describe('the audit of a ladder', () => {
  it("finds that vLLM's default captures twice what its limit on requests can reach", () => {
    const audit = auditLadder({ sizes: vllmCaptureSizes(limits), limits });
    expect(audit.largestDecode).toBe(256);
    expect(audit.unreachable).toEqual(audit.aboveLimit);
    expect(audit.unreachable[0]).toBe(272);
    expect(audit.unreachable).toHaveLength(16);
    expect(audit.uncovered).toBeNull();
    expect(audit.worstPadding).toEqual({ tokens: 9, size: 16, ratio: 7 / 9 });
    expect(audit.worstCost).toEqual(audit.worstPadding);
    expect(audit.unused).toBeNull();
  });

  it('finds what no graph holds, and sizes that hold no whole query more than the one below', () => {
    const audit = auditLadder({ sizes: [8, 10, 9, 3, 2], limits: { ...limits, maxNumSeqs: 9, queryLen: 3 } });
    expect(audit).toMatchObject({ largestDecode: 27, unreachable: [2, 10], uncovered: { from: 12, to: 27 } });
    expect(audit.aboveLimit).toEqual([]);
    const tokens = auditLadder({ sizes: [30], limits: { maxNumSeqs: 256, maxNumBatchedTokens: 28, queryLen: 3 } });
    expect(tokens).toMatchObject({ largestDecode: 27, unreachable: [], aboveLimit: [30], uncovered: null });
    expect(auditLadder({ sizes: [], limits })).toMatchObject({ uncovered: { from: 1, to: 256 }, worstPadding: null });
  });

  it('judges by cost where costs are given, and names the graphs that won no step', () => {
    const costs = [0, 5, 5, 5, 5, 20, 20, 20, 20];
    const counts = [0, 3, 0, 0, 0, 0, 0, 2, 0];
    const audit = auditLadder({ sizes: [1, 4, 6, 8], limits: { ...limits, maxNumSeqs: 8 }, costs, counts });
    expect(audit.worstPadding).toEqual({ tokens: 2, size: 4, ratio: 1 });
    expect(audit.worstCost?.ratio).toBe(0);
    expect(audit.unused).toEqual([4, 6]);
    const leap = auditLadder({ sizes: [1, 8], limits: { ...limits, maxNumSeqs: 8 }, costs });
    expect(leap.worstCost).toEqual({ tokens: 2, size: 8, ratio: 3 });
  });

  it('agrees with running every batch there can be', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 10 }),
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 4, max: 60 }),
        fc.integer({ min: 1, max: 4 }),
        (sizes, maxNumSeqs, maxNumBatchedTokens, queryLen) => {
          const audit = auditLadder({ sizes, limits: { maxNumSeqs, maxNumBatchedTokens, queryLen } });
          const won = new Set<number>();
          const missed: number[] = [];
          for (let requests = 1; requests <= maxNumSeqs; requests++) {
            const tokens = requests * queryLen;
            if (tokens > maxNumBatchedTokens) break;
            const fitting = sizes.filter((size) => size >= tokens);
            if (fitting.length === 0) missed.push(tokens);
            else won.add(Math.min(...fitting));
          }
          expect(new Set(audit.unreachable)).toEqual(new Set(sizes.filter((size) => !won.has(size))));
          expect(audit.uncovered).toEqual(
            missed.length === 0 ? null : { from: missed[0], to: missed[missed.length - 1] },
          );
        },
      ),
      runs(300),
    );
  });

  it('tells of a maximum that was asked for and not captured', () => {
    const asked = 500;
    const { sizes } = vllmLadder({ ...limits, maxSize: asked });
    expect(auditLadder({ sizes, limits, asked }).truncated).toEqual({ asked: 500, captured: 496 });
    expect(auditLadder({ sizes, limits, asked: 496 }).truncated).toBeNull();
    expect(auditLadder({ sizes, limits }).truncated).toBeNull();
    expect(() => auditLadder({ sizes, limits, asked: 0 })).toThrow(/asked is 0/);
  });

  it('is refused with every fault at once', () => {
    const bad = { sizes: [0, 9], limits: { ...limits, queryLen: 0 }, costs: [0, 1] };
    expect(() => auditLadder(bad)).toThrow(/limits.queryLen is 0.*sizes\[0\] is 0.*costs covers sizes up to 1/s);
  });
});
