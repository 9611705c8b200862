import type { PlanDocument } from 'lockstep/capture';
import type { BatchDocument, BatchExplanation, Story } from 'lockstep/check';
import type { ReadProfile } from 'lockstep/engines';
import type { CapturePlan, Limits } from 'lockstep/planner';
import type { TraceFacts } from 'lockstep/workload';
import type { BatchSettings } from '../settings/batch-settings.js';
import type { PlanSettings } from '../settings/fields.js';

/** What a file turned out to be. A launch line is settings, and no traffic. */
export type Dropped =
  | { readonly kind: 'trace' | 'step-log' | 'engine-log' }
  | { readonly kind: 'launch'; readonly text: string };

/** A plan, and what it was made with. */
export interface PlanAnswer {
  /** What `lockstep plan --json` prints, but for what it says of the command. */
  readonly document: PlanDocument;
  /** The limits that counted: those given, of the launch line, or the defaults. */
  readonly limits: Limits;
  readonly ranks: number;
  readonly policy: string;
  /** What was read of the launch line; null without one. */
  readonly engine: ReadProfile | null;
  /** What was read of a trace or generated; null for a log. */
  readonly trace: TraceFacts | null;
  /** Of a step log that is not whole: why. */
  readonly incomplete: string | null;
  /** The plan as a file for `run --plan`. */
  readonly planFile: string;
  readonly milliseconds: number;
}

/** A step explained, and what it was explained with. */
export interface StepAnswer {
  readonly document: BatchDocument;
  readonly explanation: BatchExplanation;
  readonly plan: CapturePlan;
  readonly run: string;
  readonly reason: string;
  readonly gather: string;
  readonly candidates: readonly string[];
  readonly notes: readonly string[];
}

/** Everything the worker does: what is asked, and what is answered. */
export interface Jobs {
  identify: { ask: File; answer: Dropped };
  plan: { ask: { readonly file: File | null; readonly settings: PlanSettings }; answer: PlanAnswer };
  step: { ask: BatchSettings; answer: StepAnswer };
  story: { ask: string; answer: Story };
}

export type JobName = keyof Jobs;

/** How far a plan is. */
export interface JobProgress {
  readonly phase: string;
  /** From 0 to 1; null where it is not known. */
  readonly share: number | null;
}

/** A fault, as an error's words. */
export interface JobFault {
  readonly code: string;
  readonly message: string;
}

/** To the worker. */
export type Asked =
  | { readonly id: number; readonly job: JobName; readonly ask: Jobs[JobName]['ask'] }
  | { readonly id: number; readonly abort: true };

/** From the worker. */
export type Told =
  | { readonly id: number; readonly answer: Jobs[JobName]['answer'] }
  | { readonly id: number; readonly fault: JobFault }
  | { readonly id: number; readonly progress: JobProgress };
