import { differenceFrom, drawCases, missingKinds } from '../kernels/cases.js';
import { Draws } from '../kernels/draws.js';
import type { KernelProgram } from '../support/kernel-program.js';
import { runPtx } from './launch.js';
import type { Kernel } from './run.js';

/** Where interpreted PTX and the plain loops differ, and the kinds of cases that did not come up. */
export interface PtxComparison {
  readonly differences: readonly string[];
  readonly missing: readonly string[];
  /** Kinds of the cases that differ. */
  readonly kinds: readonly string[];
}

/** Runs `count` drawn cases of a kernel, each over several blocks in a drawn order; an access outside the buffers is a difference. */
export function comparePtx(
  program: KernelProgram,
  kernel: Kernel,
  name: string,
  kinds: string,
  count: number,
  seed: number,
): PtxComparison {
  const cases = drawCases(name, count, seed);
  const draws = new Draws(BigInt(seed) + 2n);
  const outcomes = cases.map(({ launch }) => {
    const [grid, block] = [draws.from(2, 4), draws.pick([1, 4, 5, 10])];
    try {
      return runPtx(kernel, kinds, launch, { grid, block, order: draws.distinct(grid, grid) });
    } catch (error) {
      return (error as Error).message;
    }
  });
  const ran = outcomes.filter((outcome) => typeof outcome !== 'string');
  const said = program.words(ran.map(({ report }) => report));
  const differing = cases.flatMap((one, index) => {
    const outcome = outcomes[index];
    const [kernelName = '', words = ''] = typeof outcome === 'object' ? (said[ran.indexOf(outcome)] ?? []) : [];
    const difference =
      typeof outcome !== 'object'
        ? outcome
        : kernelName !== '' && kernelName !== name
          ? `its report names ${kernelName}`
          : differenceFrom(one, words, outcome.buffers);
    return difference === null ? [] : [{ text: `case ${index} of seed ${seed}: ${difference}`, kinds: one.kinds }];
  });
  return {
    differences: differing.map(({ text }) => text),
    kinds: [...new Set(differing.flatMap((one) => one.kinds))],
    missing: missingKinds(name, cases),
  };
}
