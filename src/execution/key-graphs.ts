import type { DeviceGraph } from '../device/index.js';
import type { CapturedPiece, PieceCollective } from './captured-piece.js';
import { disposeAll } from './dispose-all.js';

/** What was captured of one view of the batch, in the order of its pieces. */
export type PieceGraphs = readonly CapturedPiece[];

/** The graphs of one captured key. */
export class KeyGraphs implements Disposable {
  /** One piece for a full key, however many parts it has; for a piecewise key its pieces. */
  readonly whole: PieceGraphs;
  /** The pieces of each part, for a piecewise key that may be cut at run time. */
  readonly parts: readonly PieceGraphs[];

  constructor(whole: PieceGraphs, parts: readonly PieceGraphs[] = []) {
    this.whole = whole;
    this.parts = parts;
  }

  /** What a step of `partCount` parts replays, by view. */
  views(partCount: number): readonly PieceGraphs[] {
    return partCount > 1 && this.parts.length > 0 ? this.parts : [this.whole];
  }

  /** The graph that such a step begins with; null where it begins with a collective. */
  first(partCount: number): DeviceGraph | null {
    if (partCount === 1 || this.parts.length === 0) return this.whole[0].first;
    return this.parts.flat()[0].first;
  }

  /** Collectives in the graphs that such a step replays. */
  inGraph(partCount: number): number {
    let count = 0;
    for (const pieces of this.views(partCount)) for (const piece of pieces) count += piece.inGraph;
    return count;
  }

  /** Every graph, of each view. */
  get graphs(): readonly DeviceGraph[] {
    return this.#pieces.flatMap((piece) => piece.graphs);
  }

  /** Every collective, of each view in the order of a replay. */
  get collectives(): readonly PieceCollective[] {
    return this.#pieces.flatMap((piece) => piece.collectives);
  }

  /** Nodes of all graphs. */
  get nodes(): number {
    return this.#sum((graph) => graph.nodes);
  }

  /** Bytes all graphs hold on the device. */
  get bytes(): number {
    return this.#sum((graph) => graph.bytes);
  }

  /** Growth of the pool's peak use for them, in bytes. */
  get reservedBytes(): number {
    return this.#sum((graph) => graph.reservedBytes);
  }

  /** Bytes of the pool that they use. */
  get allocatedBytes(): number {
    return this.#sum((graph) => graph.allocatedBytes);
  }

  [Symbol.dispose](): void {
    disposeAll(this.#pieces);
  }

  get #pieces(): readonly CapturedPiece[] {
    return [...this.whole, ...this.parts.flat()];
  }

  #sum(value: (graph: DeviceGraph) => number): number {
    return this.graphs.reduce((sum, graph) => sum + value(graph), 0);
  }
}
