import { describe, expect, it } from 'vitest';
import { RawRules, VoteGroup } from '../../dist/agreement/index.js';
import { namedPolicy, type PolicyName, policyNames } from '../../dist/entry/engines.js';
import { type CaptureKey, decodeKey, decodePlan, type Policy } from '../../dist/entry/planner.js';
import { loadModules } from '../../dist/memory/modules.js';

const modules = await loadModules();
const MOST = 16;
/** Ranks, of which several are needed for some to agree at all. */
const RANKS = 2;

/** All that decides from which size on a plan captures micro-batches. */
function* policies(name: PolicyName): Generator<Policy> {
  for (const ubatches of [2, 3])
    for (const ubatchThresholdDecode of [1, 7, 24])
      for (const ubatchThresholdPrefill of [5, 60])
        for (const ubatchHysteresis of [0, 3])
          for (const tokenAlignment of [1, 4]) {
            const own = namedPolicy(name);
            const thresholds = { ubatchThresholdDecode, ubatchThresholdPrefill, ubatchHysteresis };
            yield { ...own, ...thresholds, ubatches, tokenAlignment };
          }
}

type Batch = Parameters<VoteGroup['vote']>[1];

/** `requests` decodes; the lengths of the first and of all others. */
function decodes(requests: number, first: number, others: number): Batch {
  return Array.from({ length: requests }, (_, index) => {
    return { phase: 'decode' as const, start: 9, queryLen: index === 0 ? first : others, lastChunk: true };
  });
}

/** The sizes, in requests, that some step of decodes runs on in micro-batches of which none is empty. */
function sizesRun(queryLen: number, policy: Policy): number[] {
  const aligned = Array.from({ length: MOST + 12 }, (_, index) => index + 1).filter(
    (requests) => (requests * queryLen) % policy.tokenAlignment === 0,
  );
  const keys: CaptureKey[] = aligned
    .flatMap((requests) => [decodeKey(requests, queryLen, policy.ubatches), decodeKey(requests, queryLen, 1)])
    .reverse();
  const limits = { maxNumSeqs: 64, maxNumBatchedTokens: 512, maxModelLen: 64, blockSize: 16, queryLen };
  const group = new VoteGroup(new RawRules(modules, { limits, policy, keys, ranks: RANKS }));
  let step = 0;
  const runsOn = (...batches: Batch[]): CaptureKey | undefined => {
    for (const [rank, batch] of batches.entries()) group.vote(rank, batch, (index) => [1 + rank * 64 + index]);
    const { captureKey, parts } = group.resolve(step++);
    return parts.length > 1 && parts.every(({ paddedTokens }) => paddedTokens > 0) ? keys[captureKey] : undefined;
  };
  const large = decodes(48, queryLen, queryLen);
  const run = new Set<number>();
  for (let requests = 1; requests <= MOST; requests++) {
    for (const first of [queryLen, Math.max(1, queryLen - 1)]) {
      // What ran in micro-batches before may lower the thresholds.
      runsOn(large, large);
      const batch = decodes(requests, first, queryLen);
      const key = runsOn(batch, batch);
      if (key !== undefined) run.add(key.decodeRequests);
    }
  }
  return [...run].sort((a, b) => a - b);
}

describe('a size is captured in micro-batches where the rules would ever run it so, and nowhere else', () => {
  it.each(policyNames())('under policy %s', (name) => {
    for (const queryLen of [1, 3]) {
      for (const policy of policies(name)) {
        const sizes = Array.from({ length: MOST }, (_, index) => (index + 1) * queryLen);
        const { keys } = decodePlan({ sizes, limits: { maxNumSeqs: MOST, queryLen }, policy });
        const captured = keys
          .filter(({ parts }) => parts > 1)
          .map(({ decodeRequests }) => decodeRequests)
          .reverse();
        expect({ queryLen, policy, sizes: captured }).toEqual({ queryLen, policy, sizes: sizesRun(queryLen, policy) });
      }
    }
  });
});
