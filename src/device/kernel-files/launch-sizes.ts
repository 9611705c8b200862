import { LockstepError } from '../../errors.js';
import type { Count, FileArgument, GridCount, KernelFile } from './kernel-file.js';

/** Values of a launch's scalar arguments, by name. */
export type Scalars = Readonly<Record<string, bigint | number>>;

/** Most blocks of a grid as x, y, z: those of CUDA; HIP takes more of the latter two. */
const MOST_BLOCKS = [2 ** 31 - 1, 65535, 65535] as const;

/** Least bytes of each argument of a launch, 0 for a scalar. Saturates where no buffer is that large. @throws `ERR_LAUNCH_INVALID` */
export function leastBytes(args: readonly FileArgument[], scalars: Scalars): number[] {
  return args.map((argument) => {
    if (!('least' in argument)) return 0;
    const bytes = product(argument.least, scalars, argument.name) * BigInt(argument.elementBytes);
    return Number(bytes > Number.MAX_SAFE_INTEGER ? Number.MAX_SAFE_INTEGER : bytes);
  });
}

/**
 * Blocks of a launch, clusters multiplied in; a grid without blocks launches nothing.
 * @throws `ERR_LAUNCH_INVALID` for more blocks than a grid has, and for a scalar that makes no count.
 */
export function gridOf(
  kernel: Pick<KernelFile, 'name' | 'grid' | 'cluster'>,
  scalars: Scalars,
): [number, number, number] {
  const blocks = kernel.grid.map(
    (rule, index) => blocksOf(rule, scalars, kernel.name) * BigInt(kernel.cluster[index] ?? 1),
  );
  for (const [index, most] of MOST_BLOCKS.entries()) {
    if ((blocks[index] ?? 0n) <= most) continue;
    throw new LockstepError(
      'ERR_LAUNCH_INVALID',
      `${kernel.name}: its grid is ${blocks.join(' * ')} blocks; at most ${MOST_BLOCKS.join(' * ')} are possible.`,
      { kernel: kernel.name, grid: blocks.map(Number), most: [...MOST_BLOCKS] },
    );
  }
  return blocks.map(Number) as [number, number, number];
}

function blocksOf(rule: GridCount, scalars: Scalars, kernel: string): bigint {
  if (typeof rule !== 'object' || !('of' in rule)) return product(rule, scalars, kernel);
  const [of, per] = [product(rule.of, scalars, kernel), product(rule.per, scalars, kernel)];
  if (per > 0n) return (of + per - 1n) / per;
  throw new LockstepError('ERR_LAUNCH_INVALID', `${kernel}: its grid is to cover ${of} by 0 each.`, { kernel });
}

function product(count: Count, scalars: Scalars, what: string): bigint {
  return (typeof count === 'object' ? count : [count]).reduce<bigint>((total, factor) => {
    const value = BigInt(typeof factor === 'string' ? (scalars[factor] ?? -1) : factor);
    if (value >= 0n) return total * value;
    throw new LockstepError('ERR_LAUNCH_INVALID', `${what}: ${factor} is ${value}; give 0 or more.`, {
      argument: factor,
    });
  }, 1n);
}
