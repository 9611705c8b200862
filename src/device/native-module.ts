import { LockstepError } from '../errors.js';
import type { NativeModule } from '../native/index.js';
import type { DeviceModule, Kernel, KernelParameter } from './device.js';
import { guarded } from './native-error.js';

/** A kernel knows its module, so that a launch needs nothing else. */
export class NativeBackedKernel implements Kernel {
  readonly name: string;
  readonly arguments: readonly KernelParameter[];
  readonly #module: NativeModule;
  readonly #index: number;

  constructor(module: NativeModule, index: number, name: string, parameters: readonly KernelParameter[]) {
    this.#module = module;
    this.#index = index;
    this.name = name;
    this.arguments = parameters;
    Object.freeze(this);
  }

  /** The addon's module and the kernel's index in it. @throws `ERR_LAUNCH_INVALID` for anything that is not a loaded kernel. */
  static nativeOf(value: unknown): { module: NativeModule; index: number } {
    if (typeof value === 'object' && value !== null && #module in value) {
      return { module: value.#module, index: value.#index };
    }
    throw new LockstepError('ERR_LAUNCH_INVALID', 'kernel is not one; take it from module.kernel(name).');
  }
}

export class NativeBackedModule implements DeviceModule {
  readonly kernels: readonly Kernel[];
  readonly #native: NativeModule;

  constructor(native: NativeModule) {
    this.#native = native;
    this.kernels = Object.freeze(
      native.kernels.map((info, index) => new NativeBackedKernel(native, index, info.name, info.arguments)),
    );
  }

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
