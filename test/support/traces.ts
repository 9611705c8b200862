import { existsSync } from 'node:fs';
import path from 'node:path';

const named = process.env.LOCKSTEP_TRACES;

/** Real request traces, which the repository does not carry: see docs/workload.md. */
export const traces: string = path.resolve(named ?? path.join(import.meta.dirname, '../../../shared/traces'));

/** No folder was named, and there is none at the usual place. */
export const tracesAbsent: boolean = named === undefined && !existsSync(traces);

const namedProfiles = process.env.LOCKSTEP_PROFILES;

/** Measured costs of layers, which the repository does not carry either: see docs/plan.md. */
export const profiles: string = path.resolve(
  namedProfiles ?? path.join(import.meta.dirname, '../../../shared/profiles'),
);

/** No folder was named, and there is none at the usual place. */
export const profilesAbsent: boolean = namedProfiles === undefined && !existsSync(profiles);
