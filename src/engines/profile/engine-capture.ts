import { checkArguments } from '../../checks.js';
import { type CaptureKey, decodeKey, keyKind, leastUbatchedSize, runsDecodes } from '../../keys/index.js';
import { MAX_QUERY_LENS } from '../../layout/index.js';
import type { EngineName, PolicyName } from '../../names.js';
import { ascending } from '../../numbers.js';
import { type CheckedPolicy, completePolicy, type Policy } from '../../policy/index.js';
import { captureAtom } from '../atom/capture.js';
import { captureMegatron } from '../megatron/capture.js';
import type { MegatronShape } from '../megatron/ladder.js';
import { namedPolicy } from '../policies.js';
import { captureSglang } from '../sglang/capture.js';
import { captureTrtllm } from '../trtllm/capture.js';
import { captureVllm } from '../vllm/capture.js';
import type { Captured } from './captured.js';
import { draftQueryLens } from './drafts.js';
import { type CompleteProfile, completeProfile, type EngineProfile, type GraphModeName } from './engine-profile.js';

/** Everything that an engine captures by a profile, and how it decides steps. */
export interface EngineCapture {
  /** The profile with its defaults. */
  readonly profile: CompleteProfile;
  /** The policy that decides its steps, with the profile's micro-batches. */
  readonly policy: Policy;
  /** The mode that it ends up with. */
  readonly mode: GraphModeName;
  /** Its graphs, largest first, in its own rounding. */
  readonly keys: readonly CaptureKey[];
  /** Its list, in tokens, ascending. */
  readonly sizes: readonly number[];
  /** Tokens of the full graphs that steps of decodes run on, ascending. */
  readonly decodeSizes: readonly number[];
  /** Tokens of the piecewise graphs, ascending. */
  readonly piecewiseSizes: readonly number[];
  /** Graphs with slots for prefills: tokens, prefills, decodes, in the engine's order. */
  readonly mixed: readonly MegatronShape[];
  /** Sizes of the list that decodes have no full graph of exactly, in tokens. */
  readonly dropped: readonly number[];
  /** The largest size asked for, where the list ends below it; else null. */
  readonly truncated: number | null;
  /** What to know of these graphs, as sentences. */
  readonly notes: readonly string[];
}

const CAPTURES: Readonly<Record<EngineName, (profile: CompleteProfile) => Captured>> = {
  vllm: captureVllm,
  sglang: captureSglang,
  trtllm: captureTrtllm,
  megatron: captureMegatron,
  atom: captureAtom,
};

/**
 * The one way from an engine's profile to its graphs: every comparison, simulation, explanation and flag goes through it. `choices` are
 * those of the policy that differ from the engine's, such as a threshold of micro-batches; a whole policy of its name does too, and what the profile
 * says, such as the steps that graphs of its mode run, comes before what that one merely repeats. Errors: ERR_CONFIG_INVALID for a profile that cannot be; ERR_INPUT_INVALID for what the engine refuses.
 */
export function engineCapture(given: EngineProfile, choices: Partial<Policy> = {}): EngineCapture {
  checkArguments('engineCapture', { profile: [given, 'object'], choices: [choices, 'object'] });
  const profile = completeProfile({ ...given, ...(choices.ubatches !== undefined && { ubatches: choices.ubatches }) });
  const captured = CAPTURES[profile.engine](profile);
  const policy = profilePolicy(profile, captured, choices);
  const keys = unique(captured.keys.flatMap((key) => partsOf(key, policy, profile)));
  return Object.freeze({
    profile,
    policy,
    mode: captured.mode,
    keys: Object.freeze([...keys].sort((a, b) => b.tokens - a.tokens)),
    sizes: captured.sizes,
    decodeSizes: tokensOf(keys.filter((key) => runsDecodes(key, policy))),
    piecewiseSizes: tokensOf(keys.filter((key) => keyKind(key) === 'piecewise')),
    mixed: keys
      .filter((key) => keyKind(key) === 'mixed' && key.variant === 0 && policy.mixedGraphs !== 'decodes')
      .map(({ tokens, prefillRequests, decodeRequests }): MegatronShape => [tokens, prefillRequests, decodeRequests]),
    dropped: captured.dropped ?? [],
    truncated: captured.truncated ?? null,
    notes: [...(captured.notes ?? []), ...untwinnedNotes(captured.keys, policy, profile)],
  });
}

/** The policy that decides the steps of a profile's engine. */
export function policyNameOf({ engine, runner }: Pick<CompleteProfile, 'engine' | 'runner'>): PolicyName {
  return engine === 'vllm' ? `vllm-${runner}` : engine;
}

/** The engine and runner whose steps a policy decides, by its name; null for Lockstep's own and for any other. */
export function engineOfPolicy(name: string): { engine: EngineName; runner?: 'v1' | 'v2' } | null {
  if (name === 'vllm-v1') return { engine: 'vllm', runner: 'v1' };
  if (name === 'vllm-v2') return { engine: 'vllm', runner: 'v2' };
  return Object.hasOwn(CAPTURES, name) ? { engine: name as EngineName } : null;
}

/**
 * A policy as it decides the steps of a profile's engine. One with that engine's name takes what the profile says of policies, such as the
 * steps that graphs of its mode run; any other stays as it is. Errors: those of `engineCapture`.
 */
export function profiledPolicy<P extends Partial<CheckedPolicy>>(policy: P, profile: EngineProfile): P {
  checkArguments('profiledPolicy', { policy: [policy, 'object'], profile: [profile, 'object'] });
  const own = engineOfPolicy(policy.name ?? '');
  if (own?.engine !== profile.engine) return policy;
  const complete = completeProfile({ ...profile, ...own });
  return { ...policy, ...saidByProfile(complete, CAPTURES[complete.engine](complete), policy) };
}

function profilePolicy(profile: CompleteProfile, captured: Captured, choices: Partial<Policy>): Policy {
  const { ubatches } = profile;
  const said = saidByProfile(profile, captured, choices);
  return completePolicy({ ...namedPolicy(policyNameOf(profile)), ubatches, ...choices, ...said });
}

/** What a profile says of its engine's policy, unless a choice differs from that policy: a complete one repeats the others without choosing them. */
function saidByProfile(profile: CompleteProfile, captured: Captured, choices: Partial<CheckedPolicy>): Partial<Policy> {
  const named = namedPolicy(policyNameOf(profile));
  const said = Object.entries({ enforceEager: profile.enforceEager, ...captured.choices }).filter(([key]) => {
    const name = key as keyof Policy;
    return choices[name] === undefined || choices[name] === named[name];
  });
  return Object.fromEntries(said);
}

/** The graphs that are captured of a key: of decodes from the policy's threshold on one in micro-batches too, or alone; none off its alignment. */
function partsOf(key: CaptureKey, policy: Policy, profile: CompleteProfile): CaptureKey[] {
  if (key.tokens % policy.tokenAlignment !== 0) return [];
  if (keyKind(key) === 'mixed') return [key, ...uniformTwins(key, policy, profile)];
  if (keyKind(key) !== 'decode' || key.tokens < leastUbatchedSize(key.queryLen, policy)) return [key];
  const cut = { ...key, parts: policy.ubatches };
  return policy.twins ? [key, cut] : [cut];
}

/**
 * The micro-batched graph of decodes beside one that holds any step: where its tokens divide evenly among its requests. Of lengths that no
 * decode has none is counted. Source: vLLM V2 `CudaGraphManager._maybe_ubatch_twin`.
 */
function uniformTwins(key: CaptureKey, policy: Policy, profile: CompleteProfile): CaptureKey[] {
  const queryLen = twinLength(key, policy);
  if (queryLen === null || !decodeLens(profile).includes(queryLen)) return [];
  return [{ ...decodeKey(key.prefillRequests, queryLen, policy.ubatches), variant: key.variant }];
}

/** Tokens of each decode of the micro-batched graph that is captured beside a mixed one; null where none is. */
function twinLength(key: CaptureKey, policy: Policy): number | null {
  if (policy.mixedGraphs !== 'any-step' || !policy.twins || policy.ubatches === 1) return null;
  const queryLen = key.tokens / key.prefillRequests;
  return Number.isInteger(queryLen) && key.tokens >= leastUbatchedSize(queryLen, policy) ? queryLen : null;
}

/** Query lengths of decodes: of all their drafts, and without any; no more than graphs can have. */
function decodeLens(profile: CompleteProfile): number[] {
  const lengths = draftQueryLens(profile);
  return lengths.length < MAX_QUERY_LENS ? ascending([1, ...lengths]) : lengths;
}

/** Lengths of decodes whose micro-batched graphs the engine captures and no decode can run on. */
function untwinnedNotes(keys: readonly CaptureKey[], policy: Policy, profile: CompleteProfile): string[] {
  const twins = keys.flatMap((key) => (keyKind(key) === 'mixed' ? (twinLength(key, policy) ?? []) : []));
  const lengths = ascending(twins).filter((length) => !decodeLens(profile).includes(length));
  if (lengths.length === 0) return [];
  return [
    `${profile.engine} also captures micro-batched graphs of decodes of ${lengths.join(', ')} tokens, which no decode has with these drafts: they are left out`,
  ];
}

function tokensOf(keys: readonly CaptureKey[]): number[] {
  return ascending(keys.map(({ tokens }) => tokens));
}

function unique(keys: readonly CaptureKey[]): CaptureKey[] {
  const seen = new Map<string, CaptureKey>();
  for (const key of keys) {
    const name = JSON.stringify(key);
    if (!seen.has(name)) seen.set(name, key);
  }
  return [...seen.values()];
}
