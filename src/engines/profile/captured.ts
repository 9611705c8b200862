import type { CaptureKey } from '../../keys/index.js';
import type { Policy } from '../../policy/index.js';
import type { GraphModeName } from './engine-profile.js';

/** What one engine captures by a profile, as its own file says it. */
export interface Captured {
  /** The engine's list as it uses it, in tokens, ascending. */
  readonly sizes: readonly number[];
  /** Graphs in one part; a LoRA case is a variant. */
  readonly keys: readonly CaptureKey[];
  /** The mode that the engine ends up with. */
  readonly mode: GraphModeName;
  /** Sizes of the list that no graph of decodes is captured for as they are, in tokens. */
  readonly dropped?: readonly number[];
  /** The largest size asked for, where the list ends below it. */
  readonly truncated?: number | null;
  /** Choices of the policy that follow from the profile. */
  readonly choices?: Partial<Policy>;
  readonly notes?: readonly string[];
}
