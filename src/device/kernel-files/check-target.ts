import { LockstepError } from '../../errors.js';
import type { CompiledKernel } from './kernel-file.js';

/** What of a device decides whether it runs a kernel. */
export interface TargetFacts {
  readonly kind: string;
  readonly arch: string;
  readonly warp: number;
}

/**
 * Holds what a kernel was compiled for against the device. Machine code of NVIDIA runs from its minor version on, within its major
 * one; with an `a` on that card alone. @throws `ERR_LAUNCH_INVALID` with both.
 */
export function checkTarget(kernel: string, { target }: Pick<CompiledKernel, 'target'>, device: TargetFacts): void {
  const refuse = (mistake: string): LockstepError =>
    new LockstepError('ERR_LAUNCH_INVALID', `${kernel} ${mistake}; compile it for this device.`, {
      kernel,
      target: target.arch,
      arch: device.arch,
    });
  if (target.backend !== device.kind)
    throw refuse(`is for a device of kind ${target.backend}, this one is ${device.kind}`);
  if (!runs(target.arch, device.arch)) throw refuse(`is compiled for ${target.arch}, this card is ${device.arch}`);
  if (target.warpSize !== device.warp) {
    throw refuse(`is compiled for warps of ${target.warpSize} threads, this card has ${device.warp}`);
  }
}

function runs(target: string, card: string): boolean {
  const [wanted, had] = [/^sm_(\d+)(\d)([af]?)$/.exec(target), /^sm_(\d+)(\d)$/.exec(card)];
  if (wanted === null || had === null) {
    const base = target.split(':')[0];
    // A card whose stepping is not known is given as gfx9.0.
    return card.includes('.') ? base.startsWith(card.replace('.', '')) : base === card;
  }
  const [, major, minor, suffix] = wanted;
  return had[1] === major && (suffix === 'a' ? had[2] === minor : Number(had[2]) >= Number(minor));
}
