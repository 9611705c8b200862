import type { ForwardBatch } from '../batch/index.js';
import type { DeviceBuffer, DeviceStream } from '../device/index.js';
import type { DeviceGroupTensors, DeviceTensors } from './device-metadata.js';

/** The buffers that one KV cache group has of its own in a part. */
export interface ForwardKvGroup {
  /** The group's tensors on the device, such as `slotMapping`. */
  readonly tensors: DeviceGroupTensors;
  /** Kernel blocks of each request on the device: i32[requests, tableWidth]. */
  readonly blockTable: DeviceBuffer;
  /** Columns of the block table, in kernel blocks. */
  readonly tableWidth: number;
}

/** The launch arguments of one part of a forward: buffers at fixed addresses, and the counts a graph bakes. */
export interface ForwardPart {
  /** The part's tensors on the device; docs/planner.md has shapes and padding. */
  readonly tensors: DeviceTensors;
  /** Kernel blocks of each request on the device: i32[requests, tableWidth]. */
  readonly blockTable: DeviceBuffer;
  /** First row of the block table that belongs to the part. */
  readonly tableRow: number;
  /** Columns of the block table, in kernel blocks. */
  readonly tableWidth: number;
  /** The same for each KV cache group; layers choose their slots and blocks by group. The first group's are among the buffers above. */
  readonly groups: readonly ForwardKvGroup[];
  /** Tokens that the part computes, padding included. */
  readonly tokens: number;
  /** Rows that attention is launched for, padding included. */
  readonly requests: number;
  /**
   * Of `requests`: the first so many are decodes, of at most the decode query length. In the graph of a mixed key the others are
   * slots for prefills, which may hold decodes too.
   */
  readonly decodeRequests: number;
  /**
   * Tokens that each rank brings to the part's collectives, as the decision's `gather` has them: equal in a graph, where they are
   * baked. This rank's own may be more or less than `tokens`; those that are not among them are padding.
   */
  readonly tokensPerRank: readonly number[];
}

/** A model's forward: enqueues the kernels of one part. Called while capturing and in eager steps alike. */
export interface Forward {
  /** Enqueues one part's kernels on `stream`. It must neither wait nor allocate, since it also runs in captures. */
  part(stream: DeviceStream, part: ForwardPart): void;
  /**
   * Writes the tensors that the device supplies (`createPlanner({ deviceSupplied })`) into `local.tensors` and, for a step in
   * several parts, `local.partTensors`; they are then uploaded with the others. Called for each step, before it is launched.
   * Default: they are not uploaded, and the forward's own kernels fill them.
   */
  supply?(local: ForwardBatch): void;
  /**
   * Enqueues what fills tensors on the device, after a step's uploads and before its graph or kernels: `parts` as the step has them, on
   * full keys too. Never captured. Default: the uploads and the first graph are one submission.
   */
  fill?(stream: DeviceStream, local: ForwardBatch, parts: readonly ForwardPart[]): void;
  /**
   * Enqueues the parts of a step that overlap, interleaving their layers as the model likes: with `executor.lanes`, or on `stream`
   * and on streams of its own that join it. Parts that do not overlap are never given here. Default: `part` of one after the other.
   */
  overlap?(stream: DeviceStream, parts: readonly ForwardPart[]): void;
  /** The same forward in pieces. Without it no rank captures piecewise keys. */
  readonly piecewise?: PiecewiseForward;
}

/**
 * A forward cut at its attention: piece 0, attention 0, piece 1, …, attention n - 2, piece n - 1. Pieces are captured, and see
 * tokens alone; attention is launched between their replays with this rank's own requests.
 * Source: vLLM's splitting ops and piecewise graphs.
 */
export interface PiecewiseForward {
  /** Number of pieces, at least 1. */
  readonly pieces: number;
  /** Enqueues one piece; `part.requests` is 0. */
  piece(stream: DeviceStream, index: number, part: ForwardPart): void;
  /** Enqueues the attention after piece `index`. Never captured. */
  attention(stream: DeviceStream, index: number, part: ForwardPart): void;
}
