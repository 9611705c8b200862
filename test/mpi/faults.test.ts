import { describe } from 'vitest';
import { describeFaults } from '../support/fault-cases.js';
import { HAS_MPI } from '../support/mpi-job.js';

describe.skipIf(!HAS_MPI)('survivors name', () => describeFaults('mpi'));
