import { readFileSync } from 'node:fs';

/** Code for GPUs that lies beside the addons. */
export interface KernelImage {
  readonly file: string;
  /** Machine code, PTX that the driver compiles, or HIP source that is compiled for a card. */
  readonly kind: 'cubin' | 'ptx' | 'source';
  /** `sm_90`, `compute_80`; a source has none. */
  readonly arch?: string;
  /** The oldest driver that takes it. */
  readonly driver?: string;
}

/** One for every platform: what it holds is for GPUs. */
const FOLDER = '../../prebuilds/kernels/';

/** What `npm run build:kernels` made, as it says itself; null where the package holds none. */
export function kernelImages(): readonly KernelImage[] | null {
  try {
    return JSON.parse(readFileSync(new URL(`${FOLDER}kernels.json`, import.meta.url), 'utf8')).images;
  } catch {
    return null;
  }
}

/** The kernels' source for HIP cards; null where the package holds none. */
export function hipSource(): string | null {
  try {
    return readFileSync(new URL(`${FOLDER}lockstep.hip`, import.meta.url), 'utf8');
  } catch {
    return null;
  }
}
