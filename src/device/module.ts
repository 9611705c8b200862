import { LockstepError } from '../errors.js';
import type { NativeKernelParameter, NativeModule } from '../native/index.js';
import { guarded } from './addon-errors.js';

export type { NativeKernelParameter as KernelParameter } from '../native/index.js';

/** The addon's module and the kernel's index in it. @throws `ERR_LAUNCH_INVALID` for anything that is not a loaded kernel. */
export let kernelHandle: (value: unknown) => { readonly module: NativeModule; readonly index: number };
/** Makes the module of a handle of the addon. */
export let moduleOf: (native: NativeModule) => DeviceModule;
let kernelsOf: (native: NativeModule) => readonly Kernel[];

/** One kernel of a loaded module; it refers to its module, so a launch needs nothing else. */
export class Kernel {
  readonly name: string;
  /** In the order of a launch. */
  readonly arguments: readonly NativeKernelParameter[];
  readonly #module: NativeModule;
  readonly #index: number;

  static {
    kernelsOf = (native) => Object.freeze(native.kernels.map((_, index) => new Kernel(native, index)));
    kernelHandle = (value) => {
      if (typeof value === 'object' && value !== null && #module in value) {
        return { module: value.#module, index: value.#index };
      }
      throw new LockstepError('ERR_LAUNCH_INVALID', 'kernel is not a Kernel object; take it from module.kernel(name).');
    };
  }

  private constructor(module: NativeModule, index: number) {
    const { name, arguments: parameters } = module.kernels[index];
    this.#module = module;
    this.#index = index;
    this.name = name;
    this.arguments = parameters;
    Object.freeze(this);
  }
}

/** Loaded kernels, by name; made by `device.loadModule()`. */
export class DeviceModule implements Disposable {
  readonly kernels: readonly Kernel[];
  readonly #native: NativeModule;

  static {
    moduleOf = (native) => new DeviceModule(native);
  }

  private constructor(native: NativeModule) {
    this.#native = native;
    this.kernels = kernelsOf(native);
  }

  /** @throws `ERR_LAUNCH_INVALID` naming the kernels there are. */
  kernel(name: string): Kernel {
    const found = this.kernels.find((kernel) => kernel.name === name);
    if (found !== undefined) return found;
    const names = this.kernels.map((kernel) => kernel.name);
    throw new LockstepError('ERR_LAUNCH_INVALID', `No kernel ${String(name)}; this module has ${names.join(', ')}.`, {
      kernel: String(name),
      kernels: names,
    });
  }

  dispose(): void {
    guarded(() => this.#native.dispose());
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
