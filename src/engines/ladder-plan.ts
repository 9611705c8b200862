import { checkArguments } from '../checks.js';
import { type CaptureKey, type CapturePlan, decodePlan, keyKind, runsDecodes } from '../keys/index.js';
import type { EngineName, LadderName } from '../names.js';
import { LADDER_NAMES } from '../names.js';
import { LOCKSTEP_POLICY, type Policy } from '../policy/index.js';
import { countOf } from '../text.js';
import { checkLimits, type EngineLimits } from './engine-limits.js';
import { parseLadder } from './ladder.js';
import { type EngineCapture, engineCapture, engineOfPolicy } from './profile/engine-capture.js';
import type { EngineProfile } from './profile/engine-profile.js';

/** What turns a ladder into graphs. */
export interface LadderPlanOptions {
  /** Sizes in tokens, or a ladder as `parseLadder` reads it. */
  readonly ladder: readonly number[] | string;
  /** The limits that sizes must fit. */
  readonly limits: EngineLimits;
  /** Complete: it says whose rules turn sizes into graphs. */
  readonly policy: Policy;
  /** Overrides the policy's. */
  readonly twins?: boolean;
  /** What else is known of the policy's engine. */
  readonly profile?: Omit<EngineProfile, 'engine'>;
}

/** Graphs by the steps that they hold. */
export interface GraphKinds {
  /** Full graphs that decodes alone run on. */
  readonly decode: number;
  /** Full graphs with slots for prefills. */
  readonly mixed: number;
  /** Piecewise graphs. */
  readonly piecewise: number;
}

/** The graphs of a ladder. */
export interface LadderPlan {
  /** The graphs. */
  readonly plan: CapturePlan;
  /** The policy that decides steps on them: the one given, with what the profile says of its engine's. */
  readonly policy: Policy;
  /** The engine whose rounding and filters were taken; null: Lockstep's own. */
  readonly engine: EngineName | null;
  /** What became of sizes that are not captured as they were given. */
  readonly notes: readonly string[];
}

/** Most sizes that a note lists. */
const NOTED = 8;

/**
 * The graphs of a ladder under a policy. Under an engine's policy they are those that the engine captures of these sizes, in its own
 * rounding and filters; under any other those of `decodePlan`. Errors: ERR_CONFIG_INVALID; ERR_INPUT_INVALID for a list that the engine refuses.
 */
export function ladderPlan(options: LadderPlanOptions): LadderPlan {
  checkArguments('ladderPlan', { options: [options, 'object', 'ladder', 'limits', 'policy'] });
  checkArguments('ladderPlan', { limits: [options.limits, 'object'], policy: [options.policy, 'object', 'name'] });
  const { ladder, limits, policy, twins } = options;
  if (typeof ladder !== 'string') checkArguments('ladderPlan', { ladder: [ladder, 'list'] });
  const own = engineOfPolicy(policy.name);
  if (own === null) {
    const sizes = typeof ladder === 'string' ? parseLadder(ladder, limits) : ladder;
    const plan = decodePlan({ sizes, limits, policy, twins });
    return { plan, policy, engine: null, notes: named(ladder) ? [] : loweredNotes(sizes, plan.keys, limits) };
  }
  const none = { plan: { keys: [] }, policy, engine: own.engine, notes: [] };
  if (typeof ladder !== 'string' && ladder.length === 0) return none;
  const captured = ladderCapture(options);
  if (captured === null) return none;
  const keys = Object.freeze([...captured.keys]);
  return {
    plan: Object.freeze({ keys }),
    policy: captured.policy,
    engine: own.engine,
    notes: named(ladder) && !options.profile?.sizes ? [] : droppedNotes(captured),
  };
}

/**
 * The same of an engine's profile: without a ladder what the profile captures, under another policy its list in that one's rounding. A
 * ladder takes the place of the profile's list.
 */
export function profilePlan(
  options: Omit<LadderPlanOptions, 'ladder' | 'profile'> & {
    readonly ladder?: LadderPlanOptions['ladder'] | undefined;
  },
  profile: EngineProfile | undefined,
): LadderPlan {
  const { ladder, ...rest } = options;
  if (profile === undefined) return ladderPlan({ ...rest, ladder: ladder ?? [] });
  const { engine, ...known } = profile;
  const { sizes: _, maxSize: __, ...others } = known;
  const same = engineOfPolicy(rest.policy.name)?.engine === engine;
  if (ladder !== undefined) return ladderPlan({ ...rest, ladder, ...(same && { profile: others }) });
  if (same) return ladderPlan({ ...rest, ladder: engine, profile: known });
  const { sizes } = engineCapture({ ...profile, ...checkLimits(rest.limits) });
  return ladderPlan({ ...rest, ladder: sizes });
}

/** What the policy's engine captures of a ladder; null under another policy. */
export function ladderCapture(options: LadderPlanOptions): EngineCapture | null {
  const { ladder, limits, policy, twins, profile = {} } = options;
  const own = engineOfPolicy(policy.name);
  if (own === null) return null;
  const complete = checkLimits(limits);
  const choices = twins === undefined ? policy : { ...policy, twins };
  return engineCapture({ ...profile, ...complete, ...own, ...listOf(ladder, own.engine, limits) }, choices);
}

/**
 * The number of graphs of each kind. Graphs with prefill slots that the policy has run decodes alone (`mixedGraphs: 'decodes'`) are of decodes; those that
 * run any step are mixed.
 */
export function graphKinds(
  keys: readonly CaptureKey[],
  policy: Pick<Policy, 'mixedGraphs'> = LOCKSTEP_POLICY,
): GraphKinds {
  checkArguments('graphKinds', { keys: [keys, 'objects'], policy: [policy, 'object'] });
  const kinds = { decode: 0, mixed: 0, piecewise: 0 };
  for (const key of keys) {
    const kind = keyKind(key);
    kinds[kind === 'mixed' && policy.mixedGraphs === 'decodes' ? 'decode' : kind]++;
  }
  return kinds;
}

/** Graphs that steps which only decode run on: the full ones; where there are none, those of the pieces. */
export function decodeGraphs(keys: readonly CaptureKey[], policy: Pick<Policy, 'mixedGraphs'>): readonly CaptureKey[] {
  const full = keys.filter((key) => runsDecodes(key, policy));
  return full.length > 0 ? full : keys.filter((key) => keyKind(key) === 'piecewise');
}

function named(ladder: readonly number[] | string): ladder is string {
  return typeof ladder === 'string' && (LADDER_NAMES as readonly string[]).includes(ladder.trim());
}

/** A ladder as its engine takes it: nothing for its own default, else a list in its unit. */
function listOf(ladder: readonly number[] | string, engine: EngineName, limits: EngineLimits): Partial<EngineProfile> {
  const name = typeof ladder === 'string' ? (ladder.trim() as LadderName) : undefined;
  if (name === engine) return {};
  if (engine === 'vllm' && name === 'vllm-interactive') return { interactive: true };
  const sizes = typeof ladder === 'string' ? parseLadder(ladder, limits) : ladder;
  const inUnit =
    engine === 'vllm' || engine === 'megatron' ? sizes : sizes.map((size) => Math.ceil(size / limits.queryLen));
  return { sizes: [...new Set(inUnit)] };
}

function loweredNotes(sizes: readonly number[], keys: readonly CaptureKey[], limits: EngineLimits): string[] {
  const most = keys.reduce((largest, { tokens }) => Math.max(largest, tokens), 0);
  const lowered = sizes.filter((size) => size > most);
  if (lowered.length === 0) return [];
  return [
    `${listed(lowered)} ${lowered.length === 1 ? 'is' : 'are'} lowered to ${countOf(most, 'token')}: a step has at most ${countOf(limits.maxNumSeqs, 'decode')} (maxNumSeqs)`,
  ];
}

function droppedNotes({ dropped, profile: { engine } }: EngineCapture): string[] {
  return dropped.length === 0 ? [] : [`${engine} captures no graph of decodes of exactly ${listed(dropped)} tokens`];
}

function listed(sizes: readonly number[]): string {
  const some = sizes.slice(0, NOTED).join(', ');
  return sizes.length > NOTED ? `${some}, … (${sizes.length} sizes)` : some;
}
