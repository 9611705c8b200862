import { type Channel, channel } from 'node:diagnostics_channel';
import type { ReasonCode, RunKind } from '../agreement/index.js';
import type { CaptureKey } from '../keys/index.js';

/** Published on `lockstep:plan` when a rank's graphs are those that were captured. */
export interface PlanEvent {
  readonly rank: number;
  readonly ranks: number;
  /** Equal on all ranks. */
  readonly planHash: number;
  readonly keys: readonly CaptureKey[];
  /** Keys that no rank could capture, or that were dropped. */
  readonly skipped: readonly CaptureKey[];
}

/** Published on `lockstep:capture` for each key that a rank captured. Units: bytes, seconds. */
export interface CaptureEvent {
  readonly rank: number;
  readonly key: CaptureKey;
  readonly graphs: number;
  readonly reservedBytes: number;
  readonly allocatedBytes: number;
  readonly seconds: number;
}

/** Published on `lockstep:step` once a rank has launched a step. */
export interface StepEvent {
  readonly rank: number;
  readonly step: number;
  readonly run: RunKind;
  readonly reason: ReasonCode;
  /** Index of the captured key, or -1. */
  readonly captureKey: number;
  /** Real tokens of this rank, what it computes with padding, and its requests. */
  readonly tokens: number;
  readonly paddedTokens: number;
  readonly requests: number;
  readonly parts: number;
  readonly busyRanks: number;
}

/** Published on `lockstep:park` when the ranks agreed to park or to leave, and when a park of this rank is over. */
export interface ParkEvent {
  readonly rank: number;
  readonly step: number;
  readonly state: 'parked' | 'woken' | 'left';
}

/** Published on `lockstep:fault` when a step or a capture of a rank ends with an error. */
export interface FaultEvent {
  readonly rank: number;
  readonly step: number;
  /** Code of the error; null for one that is no `LockstepError`. */
  readonly code: string | null;
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
