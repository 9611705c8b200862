import { beforeAll, describe, expect } from 'vitest';
import { HAS_MPI, runJob } from '../support/mpi-job.js';
import { itHoldsTheLaws, type SeenLaws } from '../support/ranks-laws.js';

describe.skipIf(!HAS_MPI).each([1, 2, 3, 4])('an MPI group of %i', (size) => {
  let seen: readonly SeenLaws[] = [];
  beforeAll(async () => {
    const { status, stderr, ranks } = await runJob(size, ['test/fixtures/mpi/laws.mjs', 'FOLDER']);
    expect(stderr).toBe('');
    expect(status).toBe(0);
    seen = ranks as readonly SeenLaws[];
  });
  itHoldsTheLaws(size, () => seen);
});
