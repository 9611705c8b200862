import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DecodeLanes } from '../../../dist/workload/scheduler/decode-lanes.js';
import { RequestState } from '../../../dist/workload/scheduler/request-state.js';
import { runs } from '../../support/property-runs.js';

/** Lanes that joined between advances, some of which have left since, with the position of each that is left. */
const laneCases = fc
  .record({
    // The last two have more tokens than there are lists of lanes.
    blockSize: fc.constantFrom(1, 2, 3, 7, 16, 64, 4096, 5000, 8192),
    lanes: fc.array(fc.record({ computed: fc.nat(20_000), later: fc.nat(40), leaves: fc.boolean() }), {
      minLength: 1,
      maxLength: 12,
    }),
    free: fc.oneof(fc.nat(12), fc.nat(300)),
    most: fc.oneof(fc.nat(20), fc.nat(12_000)),
  })
  .map(({ blockSize, lanes, free, most }) => {
    const state = RequestState.empty(blockSize, blockSize);
    const decoding = new DecodeLanes(state);
    for (const [request, { computed, later }] of lanes.entries()) {
      state.set(request, { promptTokens: 1, maxTokens: 100_000, prefix: null });
      state.computed[request] = computed;
      decoding.advance(later);
      decoding.join(request);
    }
    // The first one stays, as only lanes that there are can be asked for their steps.
    const left = lanes.flatMap(({ leaves }, request) => (leaves && request > 0 ? [request] : []));
    for (const request of left) decoding.leave(request);
    const staying = lanes.flatMap((_, request) => (left.includes(request) ? [] : [request]));
    return { blockSize, decoding, positions: staying.map((request) => decoding.position(request)), free, most };
  });

/** The plainest form: in each further step, the lanes whose position is at the end of a block. */
function dueIn(positions: readonly number[], blockSize: number, further: number): number {
  return positions.filter((position) => (position + further) % blockSize === 0).length;
}

describe('steps of lanes that are not taken one by one', () => {
  it('need the blocks that the lanes enter in each of them', () => {
    fc.assert(
      fc.property(laneCases, ({ blockSize, decoding, positions, most }) => {
        let needed = 0;
        for (let further = 1; further <= most; further++) needed += dueIn(positions, blockSize, further);
        expect(decoding.dueWithin(most)).toBe(needed);
      }),
      runs(300),
    );
  });

  it('are as many as find blocks one after the other', () => {
    fc.assert(
      fc.property(laneCases, ({ blockSize, decoding, positions, free, most }) => {
        let steps = 0;
        let left = free;
        for (; steps < most; steps++) {
          left -= dueIn(positions, blockSize, steps + 1);
          if (left < 0) break;
        }
        expect(decoding.stepsWithin(free, most)).toBe(steps);
      }),
      runs(300),
    );
  });

  it('end before the step that finds none, and before the first where no block is free', () => {
    const state = RequestState.empty(4, 4);
    const lanes = new DecodeLanes(state);
    for (const [request, computed] of [6, 7, 9].entries()) {
      state.set(request, { promptTokens: 1, maxTokens: 1000, prefix: null });
      state.computed[request] = computed;
      lanes.join(request);
    }
    // In 4 steps the lanes enter a block in step 1, 2 and 3.
    expect([0, 1, 2, 3, 4, 7].map((free) => lanes.stepsWithin(free, 100))).toEqual([0, 1, 2, 4, 5, 9]);
    expect([0, 1, 2, 3, 4, 5, 100].map((steps) => lanes.dueWithin(steps))).toEqual([0, 1, 2, 3, 3, 4, 75]);
    expect(lanes.stepsWithin(1000, 100)).toBe(100);
  });
});
