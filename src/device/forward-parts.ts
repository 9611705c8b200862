import type { CaptureKey } from '../planner/capture-key.js';
import type { LocalPlan } from '../planner/local-plan.js';
import type { StepPlanner } from '../planner/step-planner.js';
import type { DeviceMetadata, DeviceTensors } from './device-metadata.js';
import type { ForwardPart } from './forward.js';

/** What the parts of a forward are launched with, for a key that is captured and for a step that was built. */
export class ForwardParts {
  readonly #planner: StepPlanner;
  readonly #metadata: DeviceMetadata;

  constructor(planner: StepPlanner, metadata: DeviceMetadata) {
    this.#planner = planner;
    this.#metadata = metadata;
  }

  /** The parts of a full key, cut as every decision with that key cuts it. */
  ofKey(key: CaptureKey): ForwardPart[] {
    const { whole, parts } = this.#metadata;
    const requests = key.prefillRequests + key.decodeRequests;
    if (key.parts === 1) return [this.#part(whole, 0, key.tokens, requests, key.decodeRequests)];
    return Array.from({ length: key.parts }, (_, index) => {
      const row = index === 0 ? 0 : this.#planner.partCut(key, index);
      const end = index + 1 === key.parts ? requests : this.#planner.partCut(key, index + 1);
      return this.#part(parts[index], row, (end - row) * key.queryLen, end - row, end - row);
    });
  }

  /** What the pieces of a piecewise key are captured with: the whole batch, or one of the parts it may be cut into. */
  ofPieces(key: CaptureKey): { readonly whole: ForwardPart; readonly parts: readonly ForwardPart[] } {
    const { graphAgreement, ubatches } = this.#planner.policy;
    // Where the ranks agree by shape, a step with prefills that runs on a graph has one part.
    const count = graphAgreement !== 'shape' && ubatches > 1 ? ubatches : 0;
    const parts = Array.from({ length: count }, (_, index) =>
      this.#part(this.#metadata.parts[index], 0, this.#planner.partShare(key, count, index), 0, 0),
    );
    return { whole: this.#part(this.#metadata.whole, 0, key.tokens, 0, 0), parts };
  }

  /** The parts of a step on this rank, with its own requests where no full graph sizes them. */
  ofStep(local: LocalPlan): ForwardPart[] {
    const { paddedTokens, attentionRequests, decodeRequests } = local;
    if (local.partCount === 1) {
      return [this.#part(this.#metadata.whole, 0, paddedTokens, attentionRequests, decodeRequests)];
    }
    return Array.from({ length: local.partCount }, (_, index) => {
      const part = local.part(index);
      const decodes = Math.max(0, Math.min(part.requestEnd, decodeRequests) - part.requestBegin);
      return this.#part(this.#metadata.parts[index], part.tableRow, part.paddedTokens, part.attentionRequests, decodes);
    });
  }

  #part(
    tensors: DeviceTensors,
    tableRow: number,
    tokens: number,
    requests: number,
    decodeRequests: number,
  ): ForwardPart {
    const { tableWidth } = this.#planner.regions.sizes;
    return { tensors, blockTable: this.#metadata.blockTable, tableRow, tableWidth, tokens, requests, decodeRequests };
  }
}
