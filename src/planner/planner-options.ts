import { Faults } from '../checks.js';
import type { Limits } from '../config.js';
import { shown } from '../errors.js';
import type { CapturePlan } from '../keys/index.js';
import { DEVICE_SUPPLIED, type DeviceSupplied, type PaddingName } from '../layout/index.js';
import type { SimdChoice, TensorChoices, WasmSources } from '../memory/index.js';
import type { Policy } from '../policy/index.js';

/** Options of `createPlanner`. */
export interface PlannerOptions {
  /** Limits; those left out take their defaults. */
  readonly limits?: Partial<Limits>;
  /** Graphs that are captured. Default none: every step runs eager. */
  readonly plan?: CapturePlan;
  /** Choices behind the decisions; those left out take their defaults. */
  readonly policy?: Partial<Policy>;
  /** This rank, from 0. Default 0. */
  readonly rank?: number;
  /** Ranks of the group. Default 1. */
  readonly ranks?: number;
  /**
   * Consecutive ranks that schedule the same batch (the tensor, context and pipeline ranks of one data-parallel replica); divides
   * `ranks`. Their votes may differ in what each can do, and in nothing else. Default 1.
   */
  readonly replicaSize?: number;
  /**
   * Number of the first step, the same on all ranks. Step numbers are int32 and wrap: after 2^31 - 1 comes -2^31. For tests that start
   * just below. Default 0.
   */
  readonly firstStep?: number;
  /**
   * Where the two modules come from. Default: the `.wasm` files beside this code. `metadata` also takes another build of the
   * same sources, such as `nativeMetadata()`.
   */
  readonly wasm?: WasmSources;
  /** Which metadata module to load, if `wasm` gives none. Default 'auto': SIMD if the engine has it. */
  readonly simd?: SimdChoice;
  /** Fill tensor memory with garbage first, so that a test sees every entry that is not written. Default false. */
  readonly poison?: boolean;
  /**
   * Before each vote, refuse a step in which a block is written by two requests, or by one while it holds computed tokens of another
   * that has not said it depends on the writer: ERR_BLOCK_CONFLICT. Takes 4 bytes a block. Default false.
   */
  readonly checked?: boolean;
  /** What padding holds: the convention of the kernels that read it. Default 'lockstep'. */
  readonly padding?: PaddingName;
  /** Tensors beside those every planner has. Default none. */
  readonly tensors?: TensorChoices;
  /**
   * Tensors that the device fills itself, in the buffers planned for them: `inputIds`, `positions`, `seqLens`. The planner does not write
   * them, in the whole batch and in parts, and uploads skip them. Default none.
   */
  readonly deviceSupplied?: readonly DeviceSupplied[];
}

const OPTION_NAMES: Record<keyof PlannerOptions, true> = {
  limits: true,
  plan: true,
  policy: true,
  rank: true,
  ranks: true,
  replicaSize: true,
  firstStep: true,
  wasm: true,
  simd: true,
  poison: true,
  checked: true,
  padding: true,
  tensors: true,
  deviceSupplied: true,
};

/**
 * Refuses options that would be ignored: unknown names, and a `checked` or `poison` that is neither true nor false (it would leave
 * steps unchecked). Throws `ERR_CONFIG_INVALID` with every fault at once.
 */
export function checkOptions(given: PlannerOptions): void {
  const faults = new Faults();
  faults.names('options', given, Object.keys(OPTION_NAMES));
  for (const name of ['checked', 'poison'] as const) {
    const value = given?.[name] ?? false;
    faults.check(typeof value === 'boolean', `${name} is ${shown(value)}; it must be true or false`);
  }
  const first = given?.firstStep ?? 0;
  faults.check(
    (first | 0) === first,
    `firstStep is ${shown(first)}; it must be an integer from ${-(2 ** 31)} to ${2 ** 31 - 1}`,
  );
  faults.throwIfAny('These options');
}

/** This rank among the ranks of the forward. */
export interface Place {
  readonly rank: number;
  readonly ranks: number;
  readonly replicaSize: number;
}

/** A planner's rank, group and replica, with defaults. Throws `ERR_CONFIG_INVALID` with every fault at once. */
export function completePlace(options: Partial<Place>): Place {
  const { rank = 0, ranks = 1, replicaSize = 1 } = options;
  const faults = new Faults();
  if (faults.integer('ranks', ranks, 1, 4096)) {
    faults.integer(`rank (of ${ranks} ranks)`, rank, 0, ranks - 1);
    if (faults.integer('replicaSize', replicaSize, 1, ranks)) {
      faults.check(ranks % replicaSize === 0, `replicaSize is ${replicaSize}; it must divide ranks (${ranks})`);
    }
  }
  faults.throwIfAny('This place among the ranks');
  return { rank, ranks, replicaSize };
}

/** The optional tensors, checked. Throws `ERR_CONFIG_INVALID` with every fault at once. */
export function completeTensors(given: TensorChoices = {}): Required<TensorChoices> {
  const faults = new Faults();
  faults.names('tensors', given, ['csr']);
  const csr = given?.csr ?? false;
  faults.check(typeof csr === 'boolean', `tensors.csr is ${shown(csr)}; it must be true or false`);
  faults.throwIfAny('These tensors');
  return { csr };
}

/** The tensors that the device supplies. Throws `ERR_CONFIG_INVALID` with every fault at once. */
export function completeDeviceSupplied(given: readonly DeviceSupplied[] = []): readonly DeviceSupplied[] {
  const faults = new Faults();
  if (!Array.isArray(given)) {
    faults.check(false, `deviceSupplied is ${shown(given)}; it must be an array of tensor names`);
  } else {
    for (const name of given) {
      const known = DEVICE_SUPPLIED.includes(name);
      faults.check(known, `deviceSupplied holds ${shown(name)}; the device may supply ${DEVICE_SUPPLIED.join(', ')}`);
    }
  }
  faults.throwIfAny('What the device supplies');
  return given;
}
