import { readFileSync } from 'node:fs';

/** Code for GPUs that lies beside the addon. */
export interface KernelImage {
  readonly file: string;
  /** Machine code, PTX that the driver compiles, or HIP source that is compiled for a card. */
  readonly kind: 'cubin' | 'ptx' | 'source';
  /** `sm_90`, `compute_80`; a source has none. */
  readonly arch?: string;
  /** The oldest driver that takes it. */
  readonly driver?: string;
}

/** What `npm run build:kernels` made, as it says itself; null where the package holds none. */
export function kernelImages(): readonly KernelImage[] | null {
  const place = `../../prebuilds/${process.platform}-${process.arch}/kernels/kernels.json`;
  try {
    return JSON.parse(readFileSync(new URL(place, import.meta.url), 'utf8')).images;
  } catch {
    return null;
  }
}
