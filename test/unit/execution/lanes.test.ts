import { describe, expect, it } from 'vitest';
import type { CapturedOrder } from '../../../dist/device/index.js';
import { decodeKey, type Policy } from '../../../dist/entry/planner.js';
import type { ForwardPart, Lane, YieldPoint } from '../../../dist/execution/index.js';
import type { DeviceEvent, Executor, Forward } from '../../../dist/index.js';
import { readI32 } from '../../support/device-fixture.js';
import { type Made, solo, step } from '../../support/solo-rank.js';

const key = decodeKey(4, 1, 2);
const twoParts = { ubatches: 2, ubatchThresholdDecode: 4, ubatchThresholdPrefill: 8 };

/** How parts are kept from overlapping, or are made to by mistake. */
interface Plant {
  /** The second part's kernels wait for the first part's collective. */
  readonly extraEdge?: boolean;
  readonly breaks?: number;
}

interface Seen {
  readonly schedules: (readonly YieldPoint[])[];
  ended: number[];
}

/** A forward whose part p fills a row of its own with 10 + p, moves it, and adds it up in `out`. */
function model(executor: Executor, { extraEdge = false, breaks }: Plant, seen: Seen): Forward {
  const { device, kernels, lanes } = executor;
  const fill = kernels.kernel('fill');
  const [rows, moved, out] = [device.allocate(64), device.allocate(64), device.allocate(64)];
  const extra: DeviceEvent = device.createEvent();
  if (extraEdge) {
    const { collectives } = executor;
    const prepare = collectives.prepare.bind(collectives);
    collectives.prepare = (call) => {
      const enqueue = prepare(call);
      return (stream) => {
        enqueue(stream);
        stream.record(extra);
      };
    };
  }
  let next = 0;
  function* steps(part: ForwardPart, lane: Lane): Generator<string, void, void> {
    const index = next++ % 2;
    const at = 16 * index;
    try {
      if (extraEdge && index === 1) lane.stream.wait(extra);
      lane.stream.launch(fill, [{ buffer: rows, offset: at }, 10 + index, part.tokens]);
      lane.collective({
        kind: 'all-gather',
        send: { buffer: rows, offset: at },
        recv: { buffer: moved, offset: at },
        counts: [part.tokens],
      });
      if (breaks === index) throw new TypeError(`part ${index} broke`);
      yield 'dispatch';
      lane.stream.launch(kernels.kernel('copy'), [{ buffer: moved, offset: at }, { buffer: out, offset: at }, 16]);
    } finally {
      seen.ended.push(index);
    }
  }
  const run = (parts: readonly ForwardPart[]): void => void seen.schedules.push(lanes.run(parts, steps));
  return { part: (_stream, part) => run([part]), overlap: (_stream, parts) => run(parts) };
}

async function made(policy: Partial<Policy>, plant: Plant = {}): Promise<{ one: Made; seen: Seen }> {
  const seen: Seen = { schedules: [], ended: [] };
  const one = await solo([key], (executor) => model(executor, plant, seen), { ...twoParts, ...policy });
  return { one, seen };
}

/** The order of the captured graph of the key. */
function orderOf({ rank }: Made): CapturedOrder {
  const orders: CapturedOrder[] = [];
  rank.executor.warmUp(key);
  rank.executor.capture(key, (recording) => void orders.push(recording.order()))[Symbol.dispose]();
  expect(orders).toHaveLength(1);
  return orders[0] as CapturedOrder;
}

function hasPath({ edges }: CapturedOrder, from: number, to: number): boolean {
  const reached = new Set([from]);
  // Edges lead from earlier nodes to later ones, in the order of the later.
  for (const [before, after] of edges) if (reached.has(before)) reached.add(after);
  return reached.has(to);
}

/** Pairs of a kernel of one part and a collective of the other that nothing orders. The two parts record alike, the first one first. */
function unordered(order: CapturedOrder): number {
  const named = (name: string): number[] => order.nodes.flatMap((node, index) => (node.name === name ? [index] : []));
  const [fills, gathers, copies] = [named('fill'), named('all-gather'), named('copy')];
  for (const nodes of [fills, gathers, copies]) expect(nodes).toHaveLength(2);
  let pairs = 0;
  for (const part of [0, 1]) {
    for (const kernel of [fills[part], copies[part]] as number[]) {
      const gather = gathers[1 - part] as number;
      if (!hasPath(order, kernel, gather) && !hasPath(order, gather, kernel)) pairs += 1;
    }
  }
  return pairs;
}

describe('parts that overlap', () => {
  it('take turns at their yields, on a stream for kernels and one for collectives, in warm-up and capture alike', async () => {
    const { one, seen } = await made({});
    const { nodes } = orderOf(one);
    const turns = [
      { part: 0, point: 'dispatch' },
      { part: 1, point: 'dispatch' },
    ];
    expect(seen.schedules).toEqual([turns, turns]);
    const streams = (name: string): Set<number> =>
      new Set(nodes.filter((node) => node.name === name).map((node) => node.stream));
    expect([streams('fill').size, streams('copy').size, streams('all-gather').size]).toEqual([1, 1, 1]);
    expect(streams('fill')).toEqual(streams('copy'));
    expect(streams('all-gather')).not.toEqual(streams('fill'));
  });

  it('have kernels that no path orders with the collective of the other part', async () => {
    const { one } = await made({});
    expect(unordered(orderOf(one))).toBeGreaterThan(0);
  });

  it('a part still runs in its own order', async () => {
    const { one } = await made({});
    const order = orderOf(one);
    const [fill, gather, copy] = ['fill', 'all-gather', 'copy'].map((name) =>
      order.nodes.findIndex((node) => node.name === name),
    );
    expect([
      hasPath(order, fill as number, gather as number),
      hasPath(order, gather as number, copy as number),
    ]).toEqual([true, true]);
  });

  it('do not where they share an exclusive resource', async () => {
    const { one } = await made({ exclusiveResources: ['communicator'] });
    expect(unordered(orderOf(one))).toBe(0);
  });

  it('overlap less by an edge that is added on purpose', async () => {
    const [{ one: plain }, { one: planted }] = [await made({}), await made({}, { extraEdge: true })];
    expect([unordered(orderOf(plain)), unordered(orderOf(planted))]).toEqual([2, 1]);
  });

  it('give what they give one after the other, in graphs and eager steps', async () => {
    for (const policy of [{}, { exclusiveResources: ['communicator'] as const }]) {
      const { one } = await made(policy);
      one.rank.captureSync();
      expect(step(one, 4).decision.reason).toBe('graph-ubatched');
      expect(one.rank.executor.collectiveCounts).toEqual({ inGraphs: 2, eager: 0 });
      expect(step(one, 0, [8, 8]).decision).toMatchObject({ run: 'eager', partCount: 2 });
      expect(one.rank.executor.collectiveCounts).toEqual({ inGraphs: 2, eager: 2 });
      one.rank.executor.stream.synchronizeSync();
    }
  });

  it('end together where one of them breaks, and what it threw is thrown', async () => {
    const { one, seen } = await made({}, { breaks: 1 });
    expect(() => one.rank.executor.warmUp(key)).toThrow('part 1 broke');
    expect(seen.ended.toSorted()).toEqual([0, 1]);
    expect(() => one.rank.executor.capture(key)).toThrow('part 1 broke');
    expect(one.rank.executor.stream.capturing).toBe(false);
  });

  it('refuse a second collective before a yield', async () => {
    const { one } = await made({});
    const { lanes, device } = one.rank.executor;
    const buffer = device.allocate(64);
    const call = { kind: 'all-gather', send: buffer, recv: { buffer, offset: 32 }, counts: [1] } as const;
    const steps = function* (_part: ForwardPart, lane: Lane): Generator<string, void, void> {
      lane.collective(call);
      lane.collective(call);
      yield 'never';
    };
    expect(() => lanes.run([{} as ForwardPart], steps)).toThrow('yield first');
    expect(readI32(one.rank.executor.stream, buffer, 1)).toHaveLength(1);
  });
});
