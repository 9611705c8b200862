import { LockstepError } from '../errors.js';
import type { NativeDevice } from '../native/index.js';
import { guarded, inputInvalid } from './addon-errors.js';
import { checkTarget } from './kernel-files/check-target.js';
import { type OpenedKernels, openKernels } from './kernel-files/open-kernels.js';
import { type DeviceModule, imagesOf, moduleOf } from './module.js';

/** Kernels to load: an image's bytes, or a file of one of the kinds that docs/device.md lists. */
export type ModuleSource = { readonly path: string } | { readonly image: Uint8Array };

/** What pools and drivers align memory to. */
const MOST_ALIGNED = 256;
const FOR_GPUS = /\.(json|cubin|fatbin|ptx|hsaco|hipfb|co)$/;

/** Loads kernels other than the built-in ones. @throws `ERR_LAUNCH_INVALID`, `ERR_INPUT_INVALID` */
export function loadSource(device: NativeDevice, source: ModuleSource): DeviceModule {
  if (typeof source === 'object' && source !== null && 'image' in source) {
    const { image } = source;
    if (!(image instanceof Uint8Array)) throw inputInvalid('image', image, 'a Uint8Array');
    return load(device, { images: new Map([['the image', image]]), kernels: [] });
  }
  const path: unknown = source?.path;
  if (typeof path !== 'string' || path === '') throw inputInvalid('path', path, 'the path of a file');
  if (device.kind !== 'host') return load(device, openKernels(path));
  // The host says why it takes none.
  if (FOR_GPUS.test(path)) return moduleOf(guarded(() => device.loadImage(new Uint8Array(1), path)));
  return moduleOf(guarded(() => device.loadModule(path)));
}

function load(device: NativeDevice, opened: OpenedKernels): DeviceModule {
  const facts = guarded(() => device.facts());
  for (const { name, compiled } of opened.kernels) {
    checkTarget(name, compiled, facts);
    const align = Math.max(1, ...compiled.scratch.map((one) => one.align));
    if (align <= MOST_ALIGNED) continue;
    throw new LockstepError(
      'ERR_LAUNCH_INVALID',
      `${name} wants scratch memory aligned to ${align} bytes; at most ${MOST_ALIGNED} are possible.`,
      { kernel: name, actual: align, limit: MOST_ALIGNED },
    );
  }
  return imagesOf(device, opened);
}
