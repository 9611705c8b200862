import type { WaitOptions } from '../wait.js';
import type { Wait } from '../waiting.js';
import type { Collective } from './collective.js';

/** One all-gather, for work that is done in either form: `row` is given and `table` filled, as `allGather` does. */
export function gathering(collective: Collective, row: Int32Array, table: Int32Array, options?: WaitOptions): Wait {
  return {
    sync: () => collective.allGatherSync(row, table, options),
    async: () => collective.allGather(row, table, options),
  };
}
