import { LockstepError, shown } from '../errors.js';
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

/** Binds a build of the metadata sources that is no WebAssembly module, such as the addon's, to a planner's memory. */
export type MetadataBuild = (memory: ArrayBuffer) => MetadataExports;

/** Where the modules come from. Those left out are the `.wasm` files beside this code. */
export interface WasmSources {
  readonly rules?: WasmSource;
  readonly metadata?: WasmSource | MetadataBuild;
}

/**
 * Which metadata module is loaded where none is given: `on` the one of 128-bit SIMD, `off` the scalar one, `auto` the first if the
 * engine validates it, else the second. Both compute the same, bit for bit.
 */
export type SimdChoice = 'auto' | 'on' | 'off';

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
  /** The vote word that is beyond the limits ranks share, or -1. */
  brokenLimit(table: number, rank: number): number;
  /** Index in the table of the first word in which a rank differs from its replica, or -1. */
  replicaOutlier(table: number, ranks: number): number;
  /** Fills the region `candidates` for the decision that was resolved last. */
  explainCandidates(decision: number): void;
  /** Writes what sizes a rank's tensors into its local plan. */
  sizeLocal(decision: number, row: number, rank: number, local: number): void;
  /** Sizes the planner's own local plan; 1, and nothing done, where the table's row is not this rank's vote. */
  sizeOwn(decision: number): number;
  /** Writes what a rank does in a step, for the checker. */
  act(decision: number, row: number, rank: number, action: number): void;
  /** Lets every rank act, for the checker; the properties that the decision breaks, a bit each. */
  judge(table: number, ranks: number, decision: number, actions: number): number;
  /** The checker's inner loop; see asc/check/explore.ts. */
  exploreTables(
    rows: number,
    count: number,
    replicas: number,
    tuple: number,
    placed: number,
    previous: number,
    actions: number,
    reached: number,
    violations: number,
    budget: number,
  ): number;
  partCut(requests: number, queryLen: number, parts: number, part: number): number;
  partShare(tokens: number, parts: number, part: number): number;
  /** 1 where that many parts overlap, else 0. */
  partsOverlap(parts: number): number;
}

/** Exports of `metadata.wasm`. Edits return a row or 0, or a negative `EDIT` code. */
export interface MetadataExports {
  _initialize(): void;
  state_init(): void;
  state_add(computed: number): number;
  state_append(row: number, count: number, group: number): number;
  /** One block of a KV cache group to each of `count` rows, all or none. */
  state_append_each(count: number, group: number): number;
  state_schedule(
    row: number,
    phase: number,
    queryLen: number,
    lastChunk: number,
    tokensGiven: number,
    dependsOn: number,
  ): number;
  /** Decodes without token ids: of `count` of them the inbox has the rows, then the tokens. All or none. */
  state_schedule_each(count: number): number;
  state_advance(row: number, tokens: number): number;
  /** Of `count` requests the inbox has the rows, then the tokens. All or none. */
  state_advance_each(count: number): number;
  state_remove(row: number): number;
  state_clear_schedule(): void;
  /**
   * Continues every decode of the last step. Of `count` of them the inbox has the rows, then with bit 0 of `gives` their accepted drafts, then
   * with bit 1 + g their blocks of group g, each in its place. Returns their number.
   */
  state_continue(count: number, gives: number): number;
  /** Tokens of a request that are computed. */
  state_computed(row: number): number;
  gather_facts(parts: number): void;
  /** In the checked mode: an EDIT code where a block is written that another request touches. */
  check_shared_blocks(): number;
  /** Builds a staging set in the sizes that `sizeOwn` wrote. */
  build_step(set: number): void;
  /** Keeps this rank's row of the table as its vote. */
  keep_vote(): void;
  /** `build_step`, with the decision kept as the previous one and the schedule cleared. */
  end_step(set: number): void;
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
  /** The kernels of a step one by one, and what limits them, for measuring: `wasm/kernels.cc`. */
  kernel_decodes(set: number, window: number): void;
  kernel_slots(set: number): void;
  kernel_block_table(set: number): number;
  kernel_paged_kv(set: number): void;
  limit_fill(offset: number, bytes: number): void;
  limit_copy(to: number, from: number, bytes: number): void;
  limit_clear(offset: number, bytes: number): void;
}

const builtIn = new Map<string, Promise<WasmModule>>();

/** Compiles the planner's modules, the built-in ones once; `sources` overrides where they come from (bundlers, browsers). */
export async function loadModules(sources: WasmSources = {}, simd: SimdChoice = 'auto'): Promise<PlannerModules> {
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

/** A memory of fixed size. Throws `ERR_PLAN_CAPACITY` where the system has no room for it. */
export function allocate(pages: number): WasmMemory {
  try {
    return new wasmApi.Memory({ initial: pages, maximum: pages });
  } catch (cause) {
    const mebibytes = pages / 16;
    throw new LockstepError(
      'ERR_PLAN_CAPACITY',
      `The planner needs ${mebibytes} MiB, which the system refused: lower maxNumSeqs or maxModelLen, or dispose of other planners`,
      { pages, mebibytes },
      { cause },
    );
  }
}

/** Both modules over one memory. */
export function instantiate(
  modules: PlannerModules,
  memory: WasmMemory,
): { rules: RulesExports; metadata: MetadataExports } {
  const imports = { env: { memory } };
  const metadata = (
    typeof modules.metadata === 'function'
      ? (modules.metadata as MetadataBuild)(memory.buffer)
      : new wasmApi.Instance(modules.metadata, imports).exports
  ) as Partial<MetadataExports>;
  const rules = new wasmApi.Instance(modules.rules, imports).exports as Partial<RulesExports>;
  if (metadata.build_step === undefined || rules.resolve === undefined) {
    const wrong = metadata.build_step === undefined ? 'metadata' : 'rules';
    throw new LockstepError('ERR_CONFIG_INVALID', `wasm.${wrong} is another module: give ${wrong}.wasm there`, {
      wrong,
    });
  }
  (metadata as MetadataExports)._initialize();
  return { rules: rules as RulesExports, metadata: metadata as MetadataExports };
}
