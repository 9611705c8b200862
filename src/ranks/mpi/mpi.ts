import { checkArguments, Faults } from '../../checks.js';
import { SYSTEM_TIMING } from '../../timing.js';
import { DEFAULT_ROW_WORDS, MAX_ROW_WORDS } from '../collective.js';
import { MpiLink } from './link.js';
import { MessageGroup, type MpiCollective } from './message-group.js';
import { startMpi } from './world.js';

/** Options of `joinMpi`. */
export interface MpiOptions {
  /** Words of one row, 1 to 64, the same on all ranks. Default: one vote. */
  readonly rowWords?: number;
  /** Asked at least every 50 ms while this rank waits, and by `interrupted`; once true, the whole group is interrupted. What it throws in an all-gather ends the group. Default: never. */
  readonly isInterrupted?: () => boolean;
  /** Whether a process that no launcher started may be a group of one. Default false: `ERR_TRANSPORT_UNAVAILABLE`. */
  readonly singleton?: boolean;
}

/**
 * Joins a new group of all processes of the MPI job, as the rank that MPI gives this one. Every process makes its groups in the same
 * order. The first call starts MPI, which blocks until all processes have; MPI ends when the process exits.
 * @throws `ERR_CONFIG_INVALID`; `ERR_TRANSPORT_UNAVAILABLE` without a library or a launcher; `ERR_NATIVE_UNAVAILABLE`.
 */
export function joinMpi(options: MpiOptions = {}): MpiCollective {
  checkArguments('joinMpi', { options: [options, 'object'] });
  const { rowWords = DEFAULT_ROW_WORDS, isInterrupted = () => false, singleton = false } = options;
  const faults = new Faults();
  faults.names('an MPI group', options, ['rowWords', 'isInterrupted', 'singleton']);
  faults.integer('rowWords', rowWords, 1, MAX_ROW_WORDS);
  faults.throwIfAny('This MPI group');
  const world = startMpi(singleton);
  const { rank, size, leaving } = world;
  const link = new MpiLink(world, rowWords);
  return new MessageGroup({ rank, size, rowWords, link, timing: SYSTEM_TIMING, isInterrupted, leaving });
}
