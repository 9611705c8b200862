import type { DecisionPart } from '../agreement/index.js';
import type { ForwardBatch } from '../batch/index.js';
import type { CaptureKey } from '../keys/index.js';
import { type DevicePort, devicePort, type StepPlanner } from '../planner/index.js';
import type { DeviceMetadata } from './device-metadata.js';
import type { ForwardKvGroup, ForwardPart } from './forward.js';

/** The launch arguments of the parts of a forward, for a key to capture and for a built step. */
export class ForwardParts {
  readonly #planner: StepPlanner;
  readonly #port: DevicePort;
  readonly #metadata: DeviceMetadata;
  /** KV cache groups of each view: 0 the whole batch, 1 + p part p. */
  readonly #groups: readonly (readonly ForwardKvGroup[])[];

  constructor(planner: StepPlanner, metadata: DeviceMetadata) {
    this.#planner = planner;
    this.#port = devicePort(planner);
    this.#metadata = metadata;
    this.#groups = [metadata.whole, ...metadata.parts].map((_, view) =>
      metadata.groups.map(({ whole, parts, blockTable }, index) => {
        const { tableWidth } = this.#port.regions.groups[index].sizes;
        return { tensors: view === 0 ? whole : parts[view - 1], blockTable, tableWidth };
      }),
    );
  }

  /** The parts of a full key, cut as every decision with that key cuts it. */
  ofKey(key: CaptureKey): ForwardPart[] {
    const requests = key.prefillRequests + key.decodeRequests;
    if (key.parts === 1) return [this.#part(0, 0, key.tokens, requests, key.decodeRequests, this.#padded(key.tokens))];
    return Array.from({ length: key.parts }, (_, index) => {
      const row = index === 0 ? 0 : this.#port.partCut(key, index);
      const end = index + 1 === key.parts ? requests : this.#port.partCut(key, index + 1);
      const tokens = (end - row) * key.queryLen;
      return this.#part(1 + index, row, tokens, end - row, end - row, this.#padded(tokens));
    });
  }

  /** The arguments with which the pieces of a piecewise key are captured: of the whole batch, or of one of the parts it may be cut into. */
  ofPieces(key: CaptureKey): { readonly whole: ForwardPart; readonly parts: readonly ForwardPart[] } {
    const { graphAgreement, ubatches } = this.#planner.policy;
    // Where the ranks agree by shape, a step with prefills that runs on a graph has one part.
    const count = graphAgreement === 'min-mode-padded' && ubatches > 1 ? ubatches : 0;
    const parts = Array.from({ length: count }, (_, index) => {
      const tokens = this.#port.partShare(key, count, index);
      return this.#part(1 + index, 0, tokens, 0, 0, this.#padded(tokens));
    });
    return { whole: this.#part(0, 0, key.tokens, 0, 0, this.#padded(key.tokens)), parts };
  }

  /** The parts of a step on this rank, with its own requests where no full graph sizes them. */
  ofStep(local: ForwardBatch, decided: readonly DecisionPart[]): ForwardPart[] {
    const { paddedTokens, attentionRequests, decodeRequests } = local;
    if (local.partCount === 1) {
      const { tokensPerRank } = decided[0].gather;
      return [this.#part(0, 0, paddedTokens, attentionRequests, decodeRequests, tokensPerRank)];
    }
    return Array.from({ length: local.partCount }, (_, index) => {
      const part = local.part(index);
      const decodes = Math.max(0, Math.min(part.requestEnd, decodeRequests) - part.requestBegin);
      const { tokensPerRank } = decided[index].gather;
      return this.#part(1 + index, part.tableRow, part.paddedTokens, part.attentionRequests, decodes, tokensPerRank);
    });
  }

  /** In a graph every rank brings as many tokens as its key has. */
  #padded(tokens: number): number[] {
    return new Array<number>(this.#planner.ranks).fill(tokens);
  }

  #part(
    view: number,
    tableRow: number,
    tokens: number,
    requests: number,
    decodeRequests: number,
    tokensPerRank: readonly number[],
  ): ForwardPart {
    const { whole, parts, blockTable } = this.#metadata;
    const { tableWidth } = this.#planner.local;
    const tensors = view === 0 ? whole : parts[view - 1];
    const groups = this.#groups[view];
    return { tensors, blockTable, tableRow, tableWidth, groups, tokens, requests, decodeRequests, tokensPerRank };
  }
}
