import type { DeviceGraph } from '../device/index.js';
import type { CollectiveCall } from './collectives/index.js';

/** What a replay does between two graphs of a cut piece. */
export type BetweenGraphs = () => void;

/** A collective of a piece: in its graph, or between two of its graphs. */
export interface PieceCollective {
  readonly call: Pick<CollectiveCall, 'kind' | 'counts'>;
  readonly inGraph: boolean;
}

/**
 * What was captured at once: one graph, or, where collectives cannot be in a graph, several with the collectives between them.
 */
export class CapturedPiece implements Disposable {
  /** In the order of a replay. */
  readonly steps: readonly (DeviceGraph | BetweenGraphs)[];
  readonly collectives: readonly PieceCollective[];
  /** How many of them are in its graph. */
  readonly inGraph: number;
  /** The graph it begins with, which can be launched with what comes before it. */
  readonly first: DeviceGraph | null;

  constructor(steps: readonly (DeviceGraph | BetweenGraphs)[], collectives: readonly PieceCollective[]) {
    this.steps = steps;
    this.collectives = collectives;
    const first = steps.length > 0 ? steps[0] : null;
    this.first = typeof first === 'function' ? null : first;
    this.inGraph = collectives.filter(({ inGraph }) => inGraph).length;
  }

  get graphs(): readonly DeviceGraph[] {
    return this.steps.filter((step): step is DeviceGraph => typeof step !== 'function');
  }

  [Symbol.dispose](): void {
    for (const graph of this.graphs) graph.dispose();
  }
}
