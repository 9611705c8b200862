import { LockstepError } from '../errors.js';
import { type WasmMemory, type WasmModule, wasmApi } from './wasm-api.js';

/** Where a module's code comes from: its bytes, a compiled `WebAssembly.Module`, or the address of the `.wasm` file. */
export type WasmSource = ArrayBufferView | ArrayBuffer | URL | WasmModule;

/** The planner's two modules. */
export interface PlannerModules {
  /** `rules.wasm` (AssemblyScript): what crosses ranks. */
  readonly rules: WasmModule;
  /** `metadata.wasm` (C++): what reads requests. */
  readonly metadata: WasmModule;
}

/** Exports of `rules.wasm`; every argument is an int32 or an address. */
export interface RulesExports {
  installPlan(): number;
  writeVote(
    row: number,
    facts: number,
    step: number,
    planHash: number,
    control: number,
    faultCode: number,
    variant: number,
    graphVeto: number,
    ubatchVeto: number,
  ): void;
  resolve(table: number, ranks: number, previous: number, decision: number): number;
  partCut(requests: number, queryLen: number, parts: number, part: number): number;
}

/** Exports of `metadata.wasm`. Edits return a row or 0, or a negative `EDIT` code. */
export interface MetadataExports {
  _initialize(): void;
  state_init(): void;
  state_add(computed: number, blocks: number): number;
  state_append(row: number, count: number): number;
  state_schedule(row: number, phase: number, queryLen: number, lastChunk: number, tokensGiven: number): number;
  state_advance(row: number, tokens: number): number;
  state_remove(row: number): number;
  state_clear_schedule(): void;
  gather_facts(parts: number): void;
  build_step(set: number): void;
  build_padded(set: number, paddedTokens: number, attentionRequests: number): void;
  build_cut(
    set: number,
    index: number,
    tokenBegin: number,
    tokenEnd: number,
    paddedTokens: number,
    wholeRequests: number,
  ): void;
  invalidate_device_table(): void;
}

let builtIn: Promise<PlannerModules> | undefined;

/** Compiles the planner's modules once; `sources` overrides where they come from (bundlers, browsers). */
export function loadModules(sources: Partial<Record<keyof PlannerModules, WasmSource>> = {}): Promise<PlannerModules> {
  if (sources.rules === undefined && sources.metadata === undefined) {
    builtIn ??= compileBoth({});
    return builtIn;
  }
  return compileBoth(sources);
}

async function compileBoth(sources: Partial<Record<keyof PlannerModules, WasmSource>>): Promise<PlannerModules> {
  const [rules, metadata] = await Promise.all([
    compile(sources.rules ?? new URL('./rules.wasm', import.meta.url)),
    compile(sources.metadata ?? new URL('./metadata.wasm', import.meta.url)),
  ]);
  return { rules, metadata };
}

async function compile(source: WasmSource): Promise<WasmModule> {
  if (source instanceof wasmApi.Module) return source;
  if (source instanceof URL) return wasmApi.compile(await read(source));
  if (source instanceof ArrayBuffer || ArrayBuffer.isView(source)) return wasmApi.compile(source);
  throw new LockstepError(
    'ERR_CONFIG_INVALID',
    'wasm.rules and wasm.metadata take bytes, a WebAssembly.Module or a URL of the .wasm file',
  );
}

async function read(url: URL): Promise<ArrayBufferView | ArrayBuffer> {
  if (url.protocol === 'file:') {
    const { readFile } = await import('node:fs/promises');
    return readFile(url);
  }
  const response = await fetch(url);
  if (!response.ok) {
    throw new LockstepError('ERR_CONFIG_INVALID', `${url} answered ${response.status}; give the .wasm file as bytes`);
  }
  return response.arrayBuffer();
}

/** Both modules over one memory. */
export function instantiate(
  modules: PlannerModules,
  memory: WasmMemory,
): { rules: RulesExports; metadata: MetadataExports } {
  const imports = { env: { memory } };
  const metadata = new wasmApi.Instance(modules.metadata, imports).exports as MetadataExports;
  metadata._initialize();
  return { rules: new wasmApi.Instance(modules.rules, imports).exports as RulesExports, metadata };
}
