import { SYSTEM_TIMING } from '../timing.js';
import type { Collective } from './collective.js';
import { ThreadsCollective } from './threads/threads.js';
import { createThreadsGroup, openGroup, type ThreadsGroupOptions } from './threads/threads-group.js';

/** The collective of a single rank: its all-gather copies the row. @throws `ERR_CONFIG_INVALID`. */
export function createSolo(options: ThreadsGroupOptions = {}): Collective {
  return new ThreadsCollective(openGroup(createThreadsGroup(1, options)), 0, 'solo', SYSTEM_TIMING);
}
