import { namedPolicy, type PolicyName } from '../engines/index.js';
import { mixedKey } from '../keys/index.js';
import type { CheckedPolicy } from '../policy/index.js';
import type { Property } from './properties.js';
import { type CheckedPair, type StandardDomainOptions, standardDomain } from './standard-domain.js';

/** A rule as an engine once had it. */
export interface HistoricalPolicy {
  /** The name by which `historicalPolicy` and `playStory` find it. */
  readonly name: string;
  /** What its violation looked like, in a sentence. */
  readonly about: string;
  /** Properties that the exploration must find violated. */
  readonly expects: readonly Property[];
  /** The rule as it was. */
  readonly policy: Partial<CheckedPolicy>;
  /** The rule after its fix. */
  readonly fixed: Partial<CheckedPolicy>;
  /** The pair to explore: this rule, or the one after its fix. */
  pair(which: 'before' | 'fixed'): CheckedPair;
}

/** What the fix changed in an engine's policy, and the domain in which the fault shows. */
interface Change {
  readonly fixed: Partial<CheckedPolicy>;
  readonly before: Partial<CheckedPolicy>;
  /** Set where the domain is not the policy's standard one. */
  readonly domain?: StandardDomainOptions;
  /** Mixed keys before the fix, where those changed too. */
  readonly mixedBefore?: CheckedPair['plan']['keys'];
}

function historical(
  name: string,
  engine: PolicyName,
  about: string,
  expects: readonly Property[],
  { fixed: after, before, domain, mixedBefore }: Change,
): HistoricalPolicy {
  const fixed = Object.freeze({ ...namedPolicy(engine), ...after });
  const policy = Object.freeze({ ...fixed, ...before, name });
  return Object.freeze({
    name,
    about,
    expects,
    policy,
    fixed,
    pair: (which: 'before' | 'fixed') =>
      which === 'fixed'
        ? standardDomain(fixed, domain)
        : standardDomain(policy, { ...domain, ...(mixedBefore !== undefined && { mixed: mixedBefore }) }),
  });
}

/** Megatron's mixed graphs before pull request 3509: one number of prefill slots for all of them. */
const FIXED_PREFILLS = [mixedKey(8, 2, 3, 2), mixedKey(16, 2, 7, 2)];

/** ATOM with two micro-batches. */
const TWO_BATCHES: Partial<CheckedPolicy> = { ubatches: 2, ubatchMinRequests: 3, decodeMatch: 'padded' };

/** Steps with prefills run eager or on mixed graphs. */
const NO_PIECEWISE: StandardDomainOptions = { piecewise: false };

/** No step is cut: TensorRT-LLM and Megatron have no micro-batches. */
const UNCUT: StandardDomainOptions = { ...NO_PIECEWISE, ubatches: 1 };

/** The rules, each as it was before its fix. */
export const HISTORICAL: readonly HistoricalPolicy[] = Object.freeze([
  historical(
    'vllm-before-27771',
    'vllm-v1',
    'each size was captured once, so that ranks on both sides of the micro-batch threshold fell back to eager',
    ['P6'],
    { fixed: { ubatches: 2, twins: true }, before: { twins: false } },
  ),
  historical(
    'atom-before-1120',
    'atom',
    'input preparation rounded a decode up to a captured size while the runner took the eager branch with real lengths',
    ['P1', 'P5'],
    { fixed: TWO_BATCHES, before: { prepare: 'local' }, domain: NO_PIECEWISE },
  ),
  historical(
    'trtllm-before-14986',
    'trtllm',
    'a rank without KV space skipped a capture that the others entered, and they waited for ever',
    ['P2'],
    { fixed: { captureGuard: 'all' }, before: { captureGuard: 'none' }, domain: UNCUT },
  ),
  historical(
    'megatron-before-3509',
    'megatron',
    'mixed graphs had one number of prefill slots and were matched by the count of all slots, so that a batch ran on a graph that could not hold it',
    ['P9'],
    {
      fixed: { mixedMatch: 'slots' },
      before: { mixedMatch: 'slot-count' },
      domain: UNCUT,
      mixedBefore: FIXED_PREFILLS,
    },
  ),
  historical(
    'atom-before-1275',
    'atom',
    "micro-batches were sized by each rank's own cut, captured from 2 requests and run from 3, and overlapped on one custom all-gather",
    ['P4', 'P10', 'P11'],
    {
      fixed: TWO_BATCHES,
      before: {
        partSizes: 'local',
        ubatchCaptureMinRequests: 2,
        exclusiveResources: Object.freeze(['custom-all-gather'] as const),
        onSharedResource: 'overlap',
      },
      domain: NO_PIECEWISE,
    },
  ),
  historical(
    'megatron-before-3033',
    'megatron',
    'each expert-parallel rank looked its graph up by its own counts, so that ranks replayed graphs of other sizes, whose collectives did not match',
    ['P2'],
    { fixed: { graphLookup: 'agreed' }, before: { graphLookup: 'own' }, domain: UNCUT },
  ),
  historical(
    'vllm-before-25906',
    'vllm-v1',
    "an idle rank's dummy run looked its graph up by its own one token, and not by the size that the ranks had agreed on",
    ['P2'],
    { fixed: { dummies: 'agreed' }, before: { dummies: 'one-token' }, domain: { ubatches: 1 } },
  ),
  historical(
    'vllm-before-28224',
    'vllm-v1',
    'a rank without scheduled tokens returned early and skipped the dummy run, and the others waited for it in their collectives',
    ['P2'],
    { fixed: { idleRanks: 'dummy' }, before: { idleRanks: 'return' }, domain: { ubatches: 1 } },
  ),
  historical(
    'vllm-before-43547',
    'vllm-v2',
    'a rank that was scheduled no tokens while it still held requests took no part in the step; the report was open when it was read, and the rule after it is what it asks for',
    ['P2'],
    { fixed: { idleRanks: 'dummy' }, before: { idleRanks: 'return' }, domain: { ubatches: 1 } },
  ),
]);

/** The historical rule of that name, if there is one. */
export function historicalPolicy(name: string): HistoricalPolicy | undefined {
  return HISTORICAL.find((policy) => policy.name === name);
}
