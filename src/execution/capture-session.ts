import type { MemoryUse } from '../device/index.js';
import { LockstepError } from '../errors.js';
import type { CaptureKey } from '../keys/index.js';
import type { StepPlanner } from '../planner/index.js';
import type { AgreedKeys, GuardReady } from '../ranks/index.js';
import { throwIfAborted, type WaitOptions } from '../wait.js';
import type { Waiting } from '../waiting.js';
import {
  type CaptureProgress,
  type CaptureRecord,
  type CaptureReport,
  grownSince,
  lostTwins,
  type Readiness,
  type SkippedKey,
  sizesOf,
} from './capture-report.js';
import { reserveFor } from './capture-reserve.js';
import { hashCollectives } from './collective-hash.js';
import { disposeAll } from './dispose-all.js';
import type { Executor } from './executor.js';
import type { KeyGraphs } from './key-graphs.js';

/** How the ranks agree in a capture. Each call is made by every rank, in the same order. */
export interface CaptureAgreement {
  /** Which of this rank's keys all ranks have, by index, and which lack the others. */
  readonly keys: (keys: readonly CaptureKey[]) => Waiting<AgreedKeys>;
  /** `run` on all, or `skip` on all. */
  readonly guard: (ready: GuardReady) => Waiting<'run' | 'skip'>;
}

/** Options of a capture. */
export interface CaptureOptions {
  /** Longest wait for peers or for the device, in ms. Default: the rank's. */
  readonly timeoutMs?: number;
  /**
   * Looked at before each key: once it is aborted, the capture ends on all ranks with `ERR_ABORTED`, and nothing is half captured. In the
   * middle of a key the peers count on this rank.
   */
  readonly signal?: AbortSignal;
  /** Asked before each key, for a thread that runs nothing else meanwhile: true gives the capture up on all ranks (`ERR_ABORTED`). */
  readonly interrupted?: () => boolean;
  /** Called after each warm-up and each capture. */
  readonly onProgress?: (progress: CaptureProgress) => void;
}

/** Least bytes that are reserved for a key's graphs. A later key reserves twice what the largest so far took, if that is more. */
const LEAST_RESERVE = 1 << 16;

/** Failures of a capture that leave its rank able to go on without the key: its peers learn of them in the agreement that follows. */
const LOCAL: readonly string[] = ['ERR_DEVICE_MEMORY', 'ERR_DEVICE_DRIVER'];

const ABORTED: Readiness = Object.freeze({ ready: false, lackingBytes: 0, reason: 'aborted' });

/**
 * Captures the planner's keys on all ranks alike, in either form. A key is recorded and its graphs are made without a wait. The ranks agree on the keys that all have; then each key is warmed up and after that each
 * is captured, largest first, after an agreement that every rank has what that needs; and once its graphs are made, which can fail on
 * one rank alone, that all hold them. Only a key that all hold stays in the plan.
 * The memory of a graph is reserved by a real allocation before the guard, and freed after the graph is recorded and before it is
 * instantiated, since nothing can be freed in a capture. What an earlier capture made is freed first, so that both need not fit; if
 * this one fails, no key is captured.
 * Errors: those of the agreements, on every rank alike: ERR_CAPTURE_ASYMMETRIC, ERR_ABORTED, ERR_RANKS_DIVERGED. Any other is fatal for
 * all ranks, since they have agreed to go on: the caller aborts the group.
 * @param wait of the waits for the device; once its signal is aborted, the capture ends.
 */
export function* capturingKeys(
  executor: Executor,
  planner: StepPlanner,
  agreement: CaptureAgreement,
  options: CaptureOptions,
  wait: WaitOptions,
): Waiting<CaptureReport> {
  yield* executor.droppingGraphs(wait);
  return yield* new CaptureSession(executor, planner, agreement, options, wait).run();
}

/** A key on its way through the session. */
interface Candidate {
  readonly key: CaptureKey;
  readonly index: number;
  /** Growths and time of its warm-up. */
  warmUp: Pick<CaptureRecord, 'reservedBytes' | 'allocatedBytes' | 'seconds'>;
}

const NOTHING_GROWN = Object.freeze({ reservedBytes: 0, allocatedBytes: 0, seconds: 0 });

/** What is done for a key once all ranks can: it is given what lets the reserve go, and the device's memory before the reserve. */
type GuardedWork = (session: CaptureSession, free: () => void, before: MemoryUse) => Waiting<void>;

class CaptureSession {
  readonly #executor: Executor;
  readonly #planner: StepPlanner;
  readonly #agreement: CaptureAgreement;
  readonly #options: CaptureOptions;
  readonly #wait: WaitOptions;
  readonly #captured: CaptureRecord[] = [];
  readonly #skipped: SkippedKey[] = [];
  readonly #graphs = new Map<number, KeyGraphs>();
  #largest = 0;

  constructor(
    executor: Executor,
    planner: StepPlanner,
    agreement: CaptureAgreement,
    options: CaptureOptions,
    wait: WaitOptions,
  ) {
    this.#executor = executor;
    this.#planner = planner;
    this.#agreement = agreement;
    this.#options = options;
    this.#wait = wait;
  }

  *run(): Waiting<CaptureReport> {
    const planned = this.#planner.plan.keys;
    yield* this.#agreeOnKeys(planned);
    const { keys } = this.#planner.plan;
    const all = keys
      .map((key, index): Candidate => ({ key, index, warmUp: NOTHING_GROWN }))
      .sort((a, b) => b.key.tokens - a.key.tokens);
    const kept: number[] = [];
    try {
      const warm: Candidate[] = [];
      for (const [at, each] of all.entries()) if (yield* this.#warmUp(each, at + 1, all.length)) warm.push(each);
      for (const [at, each] of warm.entries()) yield* this.#capture(each, at + 1, warm.length);
      // The last callback may have disposed of what the graphs are for.
      throwIfAborted(this.#wait.signal, 'before the graphs were taken into use');
      this.#expectKeys(keys);
      kept.push(...[...this.#graphs.keys()].sort((a, b) => a - b));
      this.#planner.keepKeys(kept);
    } catch (error) {
      disposeAll([...this.#graphs.values()]);
      throw error;
    }
    this.#executor.useGraphs(kept.map((index) => this.#graphs.get(index) as KeyGraphs));
    return {
      captured: this.#captured,
      skipped: this.#skipped.map(({ key }) => key),
      dropped: this.#skipped,
      lostTwins: lostTwins(planned, this.#planner.plan.keys),
    };
  }

  *#agreeOnKeys(planned: readonly CaptureKey[]): Waiting<void> {
    const { kept, dropped } = yield* this.#agreement.keys(planned);
    this.#expectKeys(planned);
    if (kept.length === planned.length && kept.every((index, at) => index === at)) return;
    for (const { index, ranks } of dropped) {
      this.#skipped.push({ key: planned[index] as CaptureKey, stage: 'keys', reason: 'nothing', ranks });
    }
    this.#planner.keepKeys(kept);
  }

  /** Runs a key's forward once, if all ranks can. Whether it did. */
  *#warmUp(candidate: Candidate, number: number, of: number): Waiting<boolean> {
    const { key } = candidate;
    return yield* this.#guarded('warm-up', candidate, function* (session, free, before) {
      const start = performance.now();
      yield* session.#executor.warmingUp(key, session.#wait);
      free();
      const seconds = (performance.now() - start) / 1000;
      candidate.warmUp = { ...grownSince(session.#executor.device, before), seconds };
      session.#options.onProgress?.({ stage: 'warm-up', number, of, key, ...candidate.warmUp });
    });
  }

  *#capture(candidate: Candidate, number: number, of: number): Waiting<void> {
    const { key, warmUp } = candidate;
    yield* this.#guarded('capture', candidate, function* (session, free, before) {
      const start = performance.now();
      const held = yield* session.#make(candidate, free);
      if (held === null) return;
      session.#largest = Math.max(session.#largest, held.bytes);
      const grown = grownSince(session.#executor.device, before);
      const record: CaptureRecord = {
        key,
        reservedBytes: grown.reservedBytes + warmUp.reservedBytes,
        allocatedBytes: grown.allocatedBytes + warmUp.allocatedBytes,
        ...sizesOf(held),
        seconds: (performance.now() - start) / 1000 + warmUp.seconds,
      };
      session.#captured.push(record);
      const { reservedBytes, allocatedBytes, seconds } = record;
      session.#options.onProgress?.({ stage: 'capture', number, of, key, reservedBytes, allocatedBytes, seconds });
    });
  }

  /** Records a key's forward and makes its graphs, and keeps them if all ranks hold theirs; else null. */
  *#make({ key, index }: Candidate, free: () => void): Waiting<KeyGraphs | null> {
    let made: KeyGraphs | null = null;
    let lack: Readiness = { ready: true, lackingBytes: 0, reason: 'nothing' };
    try {
      made = this.#executor.capture(key, free);
      this.#graphs.set(index, made);
    } catch (error) {
      if (!(error instanceof LockstepError && LOCAL.includes(error.code))) throw error;
      lack = { ready: false, lackingBytes: 0, reason: error.code === 'ERR_DEVICE_MEMORY' ? 'memory' : 'graph' };
    }
    const collectives = hashCollectives(made?.collectives ?? []);
    const verdict = yield* this.#agreement.guard({ key: index, stage: 'held', ...lack, collectives });
    if (verdict === 'run') return made;
    this.#graphs.delete(index);
    made?.[Symbol.dispose]();
    this.#skipped.push({ key, stage: 'held', reason: lack.reason });
    return null;
  }

  /** Reserves what a key needs, and does `work` if all ranks could. Whether it was done. */
  *#guarded(stage: 'warm-up' | 'capture', { key, index }: Candidate, work: GuardedWork): Waiting<boolean> {
    const gives = this.#givesUp();
    const before = this.#executor.device.memory();
    const reserve = reserveFor(this.#executor, key, Math.max(LEAST_RESERVE, 2 * this.#largest));
    try {
      const readiness = gives ? ABORTED : reserve.readiness;
      const verdict = yield* this.#agreement.guard({ key: index, stage, ...readiness });
      if (verdict === 'skip') {
        this.#skipped.push({ key, stage, reason: readiness.reason });
        return false;
      }
      yield* work(this, reserve.free, before);
      return true;
    } finally {
      reserve.free();
    }
  }

  /** An event loop that is free may have run what changes the plan. */
  #expectKeys(keys: readonly CaptureKey[]): void {
    if (this.#planner.plan.keys === keys) return;
    throw new LockstepError(
      'ERR_STEP_ORDER',
      "The planner's keys were changed while they were captured; call keepKeys() before the capture or after it",
    );
  }

  /** Whether this rank was asked to give the capture up. */
  #givesUp(): boolean {
    const { interrupted, signal } = this.#options;
    return interrupted?.() === true || signal?.aborted === true;
  }
}
