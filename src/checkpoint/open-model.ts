import { type Checkpoint, openCheckpoint } from './checkpoint.js';

/** The model of a name: a folder. Errors: ERR_MODEL_INVALID. */
export function openModel(name: string): Checkpoint {
  return openCheckpoint(name);
}
