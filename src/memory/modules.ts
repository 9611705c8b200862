import { checkOptions } from '../checks.js';
import { type ErrorDetails, LockstepError, shown } from '../errors.js';
import type { MetadataExports, RulesExports } from './exports.js';
import { hasSimd, type WasmMemory, type WasmModule, wasmApi } from './wasm-api.js';

/** Where a module's code comes from: its bytes, a compiled `WebAssembly.Module`, or the address of the `.wasm` file. */
export type WasmSource = ArrayBufferView | ArrayBuffer | URL | WasmModule;

/** The planner's two modules. */
export interface PlannerModules {
  /** `rules.wasm` (AssemblyScript): what crosses ranks. */
  readonly rules: WasmModule;
  /** `metadata.wasm` (C++): what reads requests. Or another build of the same sources. */
  readonly metadata: WasmModule | MetadataBuild;
}

/** Binds a build of the metadata sources that is not a WebAssembly module, such as the addon's, to a planner's memory. */
export type MetadataBuild = (memory: ArrayBuffer) => MetadataExports;

/** Where the modules come from. Those left out are the `.wasm` files beside this code. */
export interface WasmSources {
  /** The module of votes and decisions. */
  readonly rules?: WasmSource;
  /** The module of metadata, or another build of its sources. */
  readonly metadata?: WasmSource | MetadataBuild;
}

/**
 * Which metadata module is loaded by default: `on` the one of 128-bit SIMD, `off` the scalar one, `auto` the first if the
 * engine validates it, else the second. Both compute the same, bit for bit.
 */
export type SimdChoice = 'auto' | 'on' | 'off';

const builtIn = new Map<string, Promise<WasmModule>>();

/** Compiles the planner's modules, the built-in ones once; `sources` overrides where they come from (bundlers, browsers). */
export async function loadModules(sources: WasmSources = {}, simd: SimdChoice = 'auto'): Promise<PlannerModules> {
  checkOptions('wasm', sources, [], ['rules', 'metadata']);
  const name = metadataFile(simd);
  const [rules, metadata] = await Promise.all([
    sources.rules === undefined ? compileBuiltIn('rules.wasm') : compile(sources.rules),
    sources.metadata === undefined
      ? compileBuiltIn(name)
      : typeof sources.metadata === 'function'
        ? (sources.metadata as MetadataBuild)
        : compile(sources.metadata),
  ]);
  return { rules, metadata };
}

function metadataFile(simd: SimdChoice): string {
  if (simd !== 'auto' && simd !== 'on' && simd !== 'off') {
    throw new LockstepError('ERR_CONFIG_INVALID', `simd is ${shown(simd)}; it must be "auto", "on" or "off"`, { simd });
  }
  if (simd === 'on' && !hasSimd()) {
    throw new LockstepError('ERR_CONFIG_INVALID', 'simd is "on", and this engine has no 128-bit SIMD: use "auto"');
  }
  return simd === 'on' || (simd === 'auto' && hasSimd()) ? 'metadata.wasm' : 'metadata-scalar.wasm';
}

function compileBuiltIn(name: string): Promise<WasmModule> {
  const known = builtIn.get(name);
  if (known !== undefined) return known;
  // The names stay whole in these addresses, where a bundler finds them.
  const addresses: Record<string, URL> = {
    'rules.wasm': new URL('./rules.wasm', import.meta.url),
    'metadata.wasm': new URL('./metadata.wasm', import.meta.url),
    'metadata-scalar.wasm': new URL('./metadata-scalar.wasm', import.meta.url),
  };
  const compiled = compile(addresses[name]);
  builtIn.set(name, compiled);
  // What could not be read, or fetched, is tried again.
  compiled.catch(() => builtIn.delete(name));
  return compiled;
}

async function compile(source: WasmSource): Promise<WasmModule> {
  if (source instanceof wasmApi.Module) return source;
  try {
    if (source instanceof URL) return await wasmApi.compile(await read(source));
    if (source instanceof ArrayBuffer || ArrayBuffer.isView(source)) return await wasmApi.compile(source);
  } catch (cause) {
    if (cause instanceof LockstepError) throw cause;
    const what = source instanceof URL ? source.href : 'the bytes given for a module';
    throw new LockstepError(
      'ERR_CONFIG_INVALID',
      `${what} cannot be read as WebAssembly: ${String(cause)}`,
      {},
      { cause },
    );
  }
  throw new LockstepError(
    'ERR_CONFIG_INVALID',
    'wasm.rules and wasm.metadata take bytes, a WebAssembly.Module or a URL of the .wasm file',
  );
}

async function read(url: URL): Promise<ArrayBufferView | ArrayBuffer> {
  // Asked for by name and not imported: a bundler for browsers resolves every import it sees, and browsers have no such module.
  const files = url.protocol === 'file:' ? globalThis.process?.getBuiltinModule?.('node:fs/promises') : undefined;
  if (files !== undefined) return files.readFile(url);
  const response = await fetch(url);
  if (!response.ok) {
    throw new LockstepError('ERR_CONFIG_INVALID', `${url} answered ${response.status}; give the .wasm file as bytes`);
  }
  return response.arrayBuffer();
}

/** A memory of fixed size. Throws `ERR_PLAN_CAPACITY`, saying what `needs` it and what to `lower`, if the system has no room. */
export function allocate(pages: number, needs: string, lower: string, details: ErrorDetails = {}): WasmMemory {
  try {
    return new wasmApi.Memory({ initial: pages, maximum: pages });
  } catch (cause) {
    const mebibytes = Math.ceil(pages / 16);
    throw new LockstepError(
      'ERR_PLAN_CAPACITY',
      `${needs} needs ${mebibytes} MiB, which the system refused: lower ${lower}`,
      { pages, mebibytes, ...details },
      { cause },
    );
  }
}

/** Instantiates both modules over one memory. Errors: ERR_CONFIG_INVALID for a wrong module. */
export function instantiate(
  modules: PlannerModules,
  memory: WasmMemory,
): { rules: RulesExports; metadata: MetadataExports } {
  const build = modules.metadata;
  const exports = typeof build === 'function' ? (build as MetadataBuild)(memory.buffer) : exportsOf(build, memory);
  const metadata = checked<MetadataExports>('metadata', 'build_step', exports);
  const rules = instantiateRules(modules.rules, memory);
  metadata._initialize();
  return { rules, metadata };
}

/** Instantiates the rules alone over a memory. Errors: ERR_CONFIG_INVALID for a wrong module. */
export function instantiateRules(module: WasmModule, memory: WasmMemory): RulesExports {
  return checked<RulesExports>('rules', 'resolve', exportsOf(module, memory));
}

function exportsOf(module: WasmModule, memory: WasmMemory): object {
  return new wasmApi.Instance(module, { env: { memory } }).exports;
}

/** Checks which module it is by one of its functions. */
function checked<T extends object>(wrong: 'rules' | 'metadata', known: keyof T & string, exports: object): T {
  if (known in exports) return exports as T;
  throw new LockstepError('ERR_CONFIG_INVALID', `wasm.${wrong} is the wrong module: give ${wrong}.wasm there`, {
    wrong,
  });
}
