import { LockstepError } from '../../errors.js';
import { loadNative, type NativeMpi } from '../../native/index.js';

/** Open MPI 4 and 5 share this name; the variable replaces it. */
const LIBRARIES: readonly string[] = ['libmpi.so.40'];
const VARIABLE = 'LOCKSTEP_MPI_LIB';

/** One library tried, and why it did not serve. */
export interface MpiAttempt {
  readonly library: string;
  readonly reason: string;
}

/** Whether there is an MPI library here; `reason` is its version, or why there is none. */
export interface MpiProbe {
  readonly available: boolean;
  readonly reason: string;
  readonly attempts: readonly MpiAttempt[];
}

/** Tries the libraries in their order; the first that serves ends the search. MPI is not started. Never throws. */
export function probeMpi(): MpiProbe {
  let mpi: NativeMpi;
  try {
    mpi = loadNative().mpi;
  } catch (error) {
    const reason = (error as Error).message;
    return { available: false, reason, attempts: [{ library: 'lockstep.node', reason }] };
  }
  const override = process.env[VARIABLE];
  const attempts: MpiAttempt[] = [];
  for (const library of override ? [override] : LIBRARIES) {
    const found = mpi.load(library);
    if (typeof found !== 'string') return { available: true, reason: `${found.version} (${library})`, attempts };
    attempts.push({ library, reason: found });
  }
  return { available: false, reason: attempts.map(({ reason }) => reason).join('; '), attempts };
}

/** The addon's MPI, with a library loaded. @throws `ERR_TRANSPORT_UNAVAILABLE`, `ERR_NATIVE_UNAVAILABLE`. */
export function loadMpi(): NativeMpi {
  const { mpi } = loadNative();
  const { available, reason, attempts } = probeMpi();
  if (available) return mpi;
  throw new LockstepError(
    'ERR_TRANSPORT_UNAVAILABLE',
    `No MPI library serves: ${reason}. Install Open MPI 4.1 or 5 (Debian: openmpi-bin), or name its library in ${VARIABLE}.`,
    { transport: 'mpi', attempts },
  );
}
