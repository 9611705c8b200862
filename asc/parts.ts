// Where a batch is cut into parts (micro-batches), and whether the parts overlap.
import { OnSharedResource, Policy } from './layout';
import { policy, roundUp } from './words';

/** Requests before part `part` of a decode graph of `requests`: an equal share, rounded down to whole aligned requests. */
export function partCut(requests: i32, queryLen: i32, parts: i32, part: i32): i32 {
  const unit = alignmentUnit(queryLen);
  return ((requests * part) / parts / unit) * unit;
}

/** Fewest decodes whose tokens are a multiple of the token alignment. Plans are captured with the same unit (capture-plan.ts). */
function alignmentUnit(queryLen: i32): i32 {
  const alignment = policy(Policy.TokenAlignment);
  return alignment / gcd(alignment, queryLen);
}

function gcd(a: i32, b: i32): i32 {
  while (b != 0) {
    const rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

/** Tokens of part `part` of equal parts, the last of which takes the rest. Source: vLLM's create_ubatch_slices. */
export function partShare(tokens: i32, parts: i32, part: i32): i32 {
  const share = parts > 1 ? equalShare(tokens, parts) : 0;
  return part + 1 == parts ? tokens - share * (parts - 1) : share;
}

/** Tokens of every part but the last: an equal share, rounded down to the token alignment. */
export function equalShare(tokens: i32, parts: i32): i32 {
  const alignment = policy(Policy.TokenAlignment);
  return (tokens / parts / alignment) * alignment;
}

/** Tokens of an eager batch that is cut into equal shares: those of the largest batch, `tokens`, with some for each part. */
export function tokensToShare(tokens: i32, parts: i32): i32 {
  const alignment = policy(Policy.TokenAlignment);
  return roundUp(max(parts * alignment, tokens), alignment);
}

/** Whether the parts overlap. They do unless they share a resource that exists once and the policy serializes its use. */
export function partsOverlap(parts: i32): boolean {
  const shared =
    policy(Policy.ExclusiveResources) != 0 && policy(Policy.OnSharedResource) == OnSharedResource.Serialize;
  return parts > 1 && !shared;
}
