import { LockstepError } from '../errors.js';
import type { NativeDevice, NativeKernelParameter, NativeModule } from '../native/index.js';
import { guarded } from './addon-errors.js';
import type { OpenedKernels } from './kernel-files/open-kernels.js';
import type { RawKernel } from './raw-launch.js';
import { Scratch } from './scratch.js';

export type { NativeKernelParameter as KernelParameter } from '../native/index.js';

/** A kernel of an image, and where its scratch memory comes from. */
export interface ImageKernel extends RawKernel {
  readonly scratch: Scratch;
}

/** A kernel of a table by its index, or one of an image. */
export interface KernelHandle {
  readonly module: NativeModule;
  readonly kernel: number | ImageKernel;
}

/** What a kernel stands for. @throws `ERR_LAUNCH_INVALID` for anything that is not a loaded kernel. */
export let kernelHandle: (value: unknown) => KernelHandle;
/** Makes the module of a handle of the addon. */
export let moduleOf: (native: NativeModule) => DeviceModule;
/** Loads images into a device. @throws `ERR_LAUNCH_INVALID` for an image that the driver does not take, and for a kernel that it lacks. */
export let imagesOf: (device: NativeDevice, opened: OpenedKernels) => DeviceModule;
let makeKernel: (handle: KernelHandle, name: string, parameters: readonly NativeKernelParameter[]) => Kernel;

/** One kernel of a loaded module; it refers to its module, so a launch needs nothing else. */
export class Kernel {
  /** Its name in the module. */
  readonly name: string;
  /** In the order of a launch. Empty for a kernel of an image whose arguments no manifest names. */
  readonly arguments: readonly NativeKernelParameter[];
  readonly #handle: KernelHandle;

  static {
    makeKernel = (handle, name, parameters) => new Kernel(handle, name, parameters);
    kernelHandle = (value) => {
      if (typeof value === 'object' && value !== null && #handle in value) return value.#handle;
      throw new LockstepError('ERR_LAUNCH_INVALID', 'kernel is not a Kernel object; take it from module.kernel(name).');
    };
  }

  private constructor(handle: KernelHandle, name: string, parameters: readonly NativeKernelParameter[]) {
    this.#handle = handle;
    this.name = name;
    this.arguments = parameters;
    Object.freeze(this);
  }
}

/** Loaded kernels, by name; made by `device.loadModule()`. */
export class DeviceModule implements Disposable {
  /** Those that are listed: all but the kernels of an image without a file that describes it. */
  readonly kernels: readonly Kernel[];
  readonly #natives: readonly NativeModule[];
  readonly #scratch: Scratch | null;
  /** Finds kernels that are not listed. */
  readonly #find: ((name: string) => Kernel) | null;

  static {
    moduleOf = (native) => {
      const kernels = native.kernels.map(({ name, arguments: parameters }, index) =>
        makeKernel({ module: native, kernel: index }, name, parameters),
      );
      return new DeviceModule([native], kernels, null, null);
    };
    imagesOf = (device, { images, kernels }) => {
      const scratch = new Scratch(device);
      const loaded = new Map<string, NativeModule>();
      try {
        for (const [path, image] of images)
          loaded.set(
            path,
            guarded(() => device.loadImage(image, path)),
          );
        const listed = kernels.map(({ name, image, compiled, arguments: parameters, grid }) => {
          const module = loaded.get(image) as NativeModule;
          guarded(() => module.entry(compiled.symbol));
          const kernel = { name, symbol: compiled.symbol, compiled, arguments: parameters, grid, scratch };
          return makeKernel(
            { module, kernel },
            name,
            (parameters ?? []).map(({ name, kind }) => ({ name, kind })),
          );
        });
        const [first] = loaded.values();
        const find = (name: string): Kernel => {
          guarded(() => first.entry(name));
          const kernel = { name, symbol: name, compiled: null, arguments: null, grid: null, scratch };
          return makeKernel({ module: first, kernel }, name, []);
        };
        return new DeviceModule([...loaded.values()], listed, scratch, kernels.length === 0 ? find : null);
      } catch (error) {
        for (const native of loaded.values()) native.dispose();
        throw error;
      }
    };
  }

  private constructor(
    natives: readonly NativeModule[],
    kernels: readonly Kernel[],
    scratch: Scratch | null,
    find: ((name: string) => Kernel) | null,
  ) {
    this.#natives = natives;
    this.#scratch = scratch;
    this.#find = find;
    this.kernels = Object.freeze(kernels);
  }

  /** @throws `ERR_LAUNCH_INVALID` naming the kernels there are, where they are listed. */
  kernel(name: string): Kernel {
    const found = this.kernels.find((kernel) => kernel.name === name);
    if (found !== undefined) return found;
    if (this.#find !== null && typeof name === 'string') return this.#find(name);
    const names = this.kernels.map((kernel) => kernel.name);
    throw new LockstepError('ERR_LAUNCH_INVALID', `No kernel ${String(name)}; this module has ${names.join(', ')}.`, {
      kernel: String(name),
      kernels: names,
    });
  }

  /** Scratch memory of its kernels goes with it. */
  dispose(): void {
    guarded(() => {
      for (const native of this.#natives) native.dispose();
    });
    this.#scratch?.dispose();
  }

  /** The same as `dispose()`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
