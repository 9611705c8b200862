import type { Limits } from '../config.js';
import type { CaptureKey } from '../keys/index.js';
import type { StepPlanner } from '../planner/index.js';
import type { Policy } from '../policy/index.js';

/** How the steps of a recording are decided: what `resolve` needs beside the tables. */
export interface RecordingDocument {
  /** The planner's limits, with their defaults. */
  readonly limits: Limits;
  /** Its policy. */
  readonly policy: Policy;
  /** The plan's keys, in its order. */
  readonly keys: readonly CaptureKey[];
  /** Ranks of a data-parallel replica. */
  readonly replicaSize: number;
}

/** The document of a planner as it is, in UTF-8. */
export function recordingDocument({ limits, policy, plan, replicaSize }: StepPlanner): Uint8Array {
  const document: RecordingDocument = { limits, policy, keys: plan.keys, replicaSize };
  return new TextEncoder().encode(JSON.stringify(document));
}
