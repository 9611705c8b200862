import { check } from './check-law.js';
import type { Law } from './law.js';
import { oracle } from './oracle-law.js';
import { hash, memory, refusals, votes } from './table-laws.js';

/** In the order in which a mutation is held against them. */
export const LAWS: readonly Law[] = [check, oracle, votes, refusals, memory, hash];
