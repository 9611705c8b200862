import { existsSync } from 'node:fs';
import path from 'node:path';

const named = process.env.LOCKSTEP_TRACES;

/** Real request traces, which the repository does not carry: see docs/workload.md. */
export const traces: string = path.resolve(named ?? path.join(import.meta.dirname, '../../../shared/traces'));

/** No folder was named, and there is none at the usual place. */
export const tracesAbsent: boolean = named === undefined && !existsSync(traces);
