import { admission } from './admission-law.js';
import { cast } from './cast-law.js';
import { check } from './check-law.js';
import type { Law } from './law.js';
import { oracle } from './oracle-law.js';
import { order } from './order-law.js';
import { limits, refusals, replicas } from './refusal-laws.js';
import { ownRow, sizes } from './size-laws.js';
import { hash, memory, votes } from './table-laws.js';

/** In the order in which a mutation is held against them. */
export const LAWS: readonly Law[] = [
  check,
  oracle,
  votes,
  refusals,
  admission,
  cast,
  limits,
  replicas,
  memory,
  hash,
  sizes,
  ownRow,
  order,
];
