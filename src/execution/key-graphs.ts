import { checkArguments } from '../checks.js';
import type { DeviceGraph } from '../device/index.js';
import type { CapturedPiece, PieceCollective } from './captured-piece.js';
import { disposeAll } from './dispose-all.js';

/** What was captured of one view of the batch, in the order of its pieces. */
export type PieceGraphs = readonly CapturedPiece[];

/** What a step on a key replays, known since the capture. */
export interface Replay {
  /** The pieces of each view. */
  readonly views: readonly PieceGraphs[];
  /** The graph that it begins with; null where it begins with a collective. */
  readonly first: DeviceGraph | null;
  /** Collectives in its graphs. */
  readonly inGraph: number;
}

function replayOf(views: readonly PieceGraphs[]): Replay {
  const pieces = views.flat();
  const [begin] = pieces;
  const inGraph = pieces.reduce((sum, piece) => sum + piece.inGraph, 0);
  return { views, first: begin?.first ?? null, inGraph };
}

/** The graphs of one captured key. */
export class KeyGraphs implements Disposable {
  /** One piece for a full key, however many parts it has; for a piecewise key its pieces. */
  readonly whole: PieceGraphs;
  /** The pieces of each part, for a piecewise key that may be cut at run time. */
  readonly parts: readonly PieceGraphs[];

  readonly #whole: Replay;
  readonly #cut: Replay;

  /** The graphs of a key: those of the whole batch, and of each part where a piecewise key may be cut. Errors: ERR_CONFIG_INVALID. */
  constructor(whole: PieceGraphs, parts: readonly PieceGraphs[] = []) {
    checkArguments('KeyGraphs', { whole: [whole, 'objects'], parts: [parts, 'objects'] });
    this.whole = whole;
    this.parts = parts;
    this.#whole = replayOf([whole]);
    this.#cut = parts.length > 0 ? replayOf(parts) : this.#whole;
  }

  /** What a step of `partCount` parts replays. */
  replay(partCount: number): Replay {
    return partCount > 1 ? this.#cut : this.#whole;
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

  /** Frees every graph. */
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
