import { ascending } from '../../numbers.js';
import type { CompleteProfile } from './engine-profile.js';

/** Query lengths that decodes of a profile can have, ascending: 1 + the drafts of each tier that a batch can be in. */
export function draftQueryLens({ draftSchedule, queryLen, maxNumSeqs }: CompleteProfile): number[] {
  if (draftSchedule === null) return [queryLen];
  let from = 1;
  const lengths: number[] = [];
  for (const { maxRequests, drafts } of draftSchedule) {
    if (from <= maxNumSeqs) lengths.push(1 + drafts);
    from = (maxRequests ?? Infinity) + 1;
  }
  return ascending(lengths);
}
