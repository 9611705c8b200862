import { describe, expect, it } from 'vitest';
import { HAS_MPI, runJob } from '../support/mpi-job.js';

const BENCH = ['dist/cli/main.js', 'bench', '--mpi', '--rounds', '1'];

describe.skipIf(!HAS_MPI)('lockstep bench of an MPI job', () => {
  it.each([2, 3])('of %i ranks is what its first rank prints', async (size) => {
    const { status, stdout } = await runJob(size, [...BENCH, '--json']);
    expect(status).toBe(0);
    const { cases, rounds } = JSON.parse(stdout);
    expect(rounds).toBe(1);
    expect(cases.map(({ name }: { name: string }) => name)).toEqual([`agreement-mpi-${size}`, `gather-mpi-${size}`]);
    for (const { ns, limitNs, ratio } of cases) expect(ratio).toBeCloseTo(ns / limitNs);
  });

  it('takes a rank more than one', async () => {
    const { status, stderr } = await runJob(1, BENCH);
    expect(status).toBe(2);
    expect(stderr).toMatch(/has no other rank to agree with.*ERR_INPUT_INVALID/);
  });
});
