import type { Policy } from '../../dist/entry/planner.js';

/** A ladder's keys as [requests, parts], in capture order: largest first, of one size the ubatched key first. */
export function decodePlanPlain(
  sizes: readonly number[],
  maxNumSeqs: number,
  queryLen: number,
  policy: Policy,
  twins: boolean,
): [requests: number, parts: number][] {
  const aligned = (requests: number): boolean => (requests * queryLen) % policy.tokenAlignment === 0;
  const fitting = (size: number): number => {
    let requests = 1;
    while (requests < maxNumSeqs && requests * queryLen < size) requests += 1;
    while (!aligned(requests)) requests += 1;
    return requests;
  };
  const keys: [number, number][] = [];
  for (const requests of [...new Set(sizes.map(fitting))].sort((a, b) => b - a)) {
    // A part needs at least one request, and an aligned number of tokens.
    const share = Math.floor(requests / policy.ubatches);
    const splits = Array.from({ length: share }, (_, index) => index + 1).some(aligned);
    const ubatched = policy.ubatches > 1 && splits && agreeable(requests, queryLen, policy);
    if (ubatched) keys.push([requests, policy.ubatches]);
    if (!ubatched || twins) keys.push([requests, 1]);
  }
  return keys;
}

/** Whether some step of up to so many decodes is cut by its ranks. */
function agreeable(requests: number, queryLen: number, policy: Policy): boolean {
  const tokens = requests * queryLen;
  const thresholds = [policy.ubatchThresholdDecode];
  if (policy.ubatchAgreement === 'same-phase') thresholds.push(0);
  // With a request that is shorter than the others, ranks reach the threshold of prefills by a token less.
  const lengths = policy.ubatchAgreement === 'min-tokens' && policy.decodeMatch === 'padded' && queryLen > 1;
  if (lengths) thresholds.push(policy.ubatchThresholdPrefill + 1);
  const reached = thresholds.some((threshold) => tokens >= threshold - policy.ubatchHysteresis);
  const least = policy.ubatchCaptureMinRequests || Math.max(policy.ubatches, policy.ubatchMinRequests);
  return reached && requests >= least;
}
