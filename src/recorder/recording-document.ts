import type { Limits } from '../config.js';
import type { CaptureKey } from '../keys/index.js';
import type { StepPlanner } from '../planner/index.js';
import type { Policy } from '../policy/index.js';

/** How the steps of a recording are decided: what `resolve` needs beside the tables. */
export interface RecordingDocument {
  readonly limits: Limits;
  readonly policy: Policy;
  readonly keys: readonly CaptureKey[];
  readonly replicaSize: number;
}

/** The document of a planner as it is, in UTF-8. */
export function recordingDocument({ limits, policy, plan, replicaSize }: StepPlanner): Uint8Array {
  const document: RecordingDocument = { limits, policy, keys: plan.keys, replicaSize };
  return new TextEncoder().encode(JSON.stringify(document));
}
