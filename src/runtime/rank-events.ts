import { type Channel, channel } from 'node:diagnostics_channel';
import type { ReasonCode, RunKind } from '../agreement/index.js';
import type { CaptureKey } from '../keys/index.js';

/** Published on `lockstep:plan` when a rank's graphs are those that were captured. */
export interface PlanEvent {
  /** The rank that publishes. */
  readonly rank: number;
  /** Ranks of its group. */
  readonly ranks: number;
  /** Equal on all ranks. */
  readonly planHash: number;
  /** Keys that all ranks captured, in the order of capture. */
  readonly keys: readonly CaptureKey[];
  /** Keys that no rank could capture, or that were dropped. */
  readonly skipped: readonly CaptureKey[];
}

/** Published on `lockstep:capture` for each key that a rank captured. Units: bytes, seconds. */
export interface CaptureEvent {
  /** The rank that publishes. */
  readonly rank: number;
  /** The key that was captured. */
  readonly key: CaptureKey;
  /** Graphs of the key: several where it has pieces, or where collectives cut it. */
  readonly graphs: number;
  /** Growth of the device's peak memory. */
  readonly reservedBytes: number;
  /** Growth of the device's memory in use. */
  readonly allocatedBytes: number;
  /** Time of its warm-up and capture, in seconds. */
  readonly seconds: number;
}

/** Published on `lockstep:step` once a rank has launched a step. */
export interface StepEvent {
  /** The rank that publishes. */
  readonly rank: number;
  /** The step's number. */
  readonly step: number;
  /** How the step ran. */
  readonly run: RunKind;
  /** Why it ran so: docs/concepts.md lists the reasons. */
  readonly reason: ReasonCode;
  /** Index of the captured key, or -1. */
  readonly captureKey: number;
  /** Real tokens of this rank. */
  readonly tokens: number;
  /** Tokens that this rank computes, padding included. */
  readonly paddedTokens: number;
  /** Real requests of this rank. */
  readonly requests: number;
  /** Micro-batches of the step; 1 where it is whole. */
  readonly parts: number;
  /** Ranks that hold a request in this step. */
  readonly busyRanks: number;
}

/** Published on `lockstep:park` when the ranks agreed to park or to leave, and when a park of this rank is over. */
export interface ParkEvent {
  /** The rank that publishes. */
  readonly rank: number;
  /** The step's number. */
  readonly step: number;
  /** `parked`: no rank has work; `woken`: the park is over; `left`: all ranks leave. */
  readonly state: 'parked' | 'woken' | 'left';
}

/** Published on `lockstep:fault` when a step or a capture of a rank ends with an error. */
export interface FaultEvent {
  /** The rank that publishes. */
  readonly rank: number;
  /** The step's number. */
  readonly step: number;
  /** Code of the error; null for one that is no `LockstepError`. */
  readonly code: string | null;
  /** The error itself. */
  readonly error: unknown;
}

/**
 * Channels of `node:diagnostics_channel` that ranks publish on, in the thread of the rank. Subscribers run before the step goes on, and
 * what they throw is Node's to report; where there is none, an event costs one branch.
 */
export const RANK_CHANNELS: Readonly<Record<'plan' | 'capture' | 'step' | 'park' | 'fault', Channel>> = {
  plan: channel('lockstep:plan'),
  capture: channel('lockstep:capture'),
  step: channel('lockstep:step'),
  park: channel('lockstep:park'),
  fault: channel('lockstep:fault'),
};
