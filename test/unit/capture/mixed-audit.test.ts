import { describe, expect, it } from 'vitest';
import { auditMixed, type MixedShape } from '../../../dist/entry/capture.js';

const limits = { maxNumSeqs: 8, maxNumBatchedTokens: 64 };

describe('the audit of graphs for steps with a prefill', () => {
  it('tells of shapes that another always comes before, and of none that holds what no other does', () => {
    const shapes: MixedShape[] = [
      [64, 1, 7],
      [64, 2, 6],
      [64, 8, 0],
      [64, 4, 4],
      [32, 8, 0],
      [40, 3, 5],
      // Eight requests are all there can be, and the one above holds them.
      [32, 8, 4],
      // Beyond the largest step, and the graph of 64 is smaller.
      [80, 8, 0],
    ];
    expect(auditMixed({ shapes, limits }).unreachable).toEqual([
      [32, 8, 4],
      [80, 8, 0],
    ]);
  });

  it('tells which steps no graph holds, and which every graph would pad too far', () => {
    const shapes: MixedShape[] = [
      [16, 4, 12],
      [48, 8, 0],
    ];
    const audit = auditMixed({ shapes, limits, maxPaddingFactor: 2 });
    // From 5 tokens on a step may have more than 4 prefills, and from 24 on 48 is not too large for it.
    expect(audit.eager).toEqual([
      { from: 1, to: 23, reason: 'padding-factor' },
      { from: 49, to: 64, reason: 'no-key' },
    ]);
    expect(audit.worstPadding).toEqual({ tokens: 24, size: 48, ratio: 1 });
  });

  it('tells which shapes won no step that was seen', () => {
    const shapes: MixedShape[] = [
      [16, 2, 6],
      [32, 2, 6],
      [64, 8, 0],
    ];
    const step = { prefillRequests: 1, decodeRequests: 2, requests: 3, count: 5 };
    const mixed = [
      { ...step, tokens: 12 },
      // Too small for any graph that may run it.
      { ...step, tokens: 3 },
      { ...step, tokens: 31, prefillRequests: 3 },
    ];
    expect(auditMixed({ shapes, limits, maxPaddingFactor: 2, mixed }).unused).toEqual([
      [32, 2, 6],
      [64, 8, 0],
    ]);
    expect(auditMixed({ shapes, limits, mixed }).unused).toEqual([[32, 2, 6]]);
    expect(auditMixed({ shapes, limits }).unused).toBeNull();
  });

  it('counts a decode as held only by a slot of its own where the match is strict', () => {
    const shapes: MixedShape[] = [
      [16, 4, 1],
      [32, 1, 4],
    ];
    const mixed = [{ tokens: 12, prefillRequests: 1, decodeRequests: 2, requests: 3, count: 1 }];
    expect(auditMixed({ shapes, limits, mixed }).unused).toEqual([[32, 1, 4]]);
    expect(auditMixed({ shapes, limits, mixed, mixedMatch: 'strict' }).unused).toEqual([[16, 4, 1]]);
    const odd = { shapes, limits, mixedMatch: 'loose' as 'slots' };
    expect(() => auditMixed(odd)).toThrow(/mixedMatch is "loose"; it must be /);
  });

  it('is refused with every fault at once', () => {
    const bad = { shapes: [], limits: { maxNumSeqs: 0, maxNumBatchedTokens: 1.5 }, maxPaddingFactor: 0.5 };
    expect(() => auditMixed(bad)).toThrow(
      /maxNumSeqs is 0[\s\S]*maxNumBatchedTokens is 1.5[\s\S]*maxPaddingFactor is 0.5/,
    );
  });
});
