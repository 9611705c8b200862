import type { DeviceGraph } from '../device/index.js';
import { disposeAll } from './dispose-all.js';

/** Graphs of the pieces of one view of the batch, in order. */
export type PieceGraphs = readonly DeviceGraph[];

/** The graphs of one captured key. */
export class KeyGraphs implements Disposable {
  /** One graph for a full key, however many parts it has; for a piecewise key one graph per piece. */
  readonly whole: PieceGraphs;
  /** The pieces of each part, for a piecewise key that may be cut at run time. */
  readonly parts: readonly PieceGraphs[];

  constructor(whole: PieceGraphs, parts: readonly PieceGraphs[] = []) {
    this.whole = whole;
    this.parts = parts;
  }

  /** The graphs a step of `partCount` parts replays, by view. */
  views(partCount: number): readonly PieceGraphs[] {
    return partCount > 1 && this.parts.length > 0 ? this.parts : [this.whole];
  }

  /** The first of them. */
  first(partCount: number): DeviceGraph {
    if (partCount === 1 || this.parts.length === 0) return this.whole[0];
    return this.parts.flat()[0];
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
    disposeAll([this.whole, ...this.parts].flat());
  }

  #sum(value: (graph: DeviceGraph) => number): number {
    return [this.whole, ...this.parts].flat().reduce((sum, graph) => sum + value(graph), 0);
  }
}
