import { type BatchDocument, candidateLines, explainBatch, gatherText, reasonText, runText } from 'lockstep/check';
import { ladderPlan, namedPolicy, type PolicyName } from 'lockstep/engines';
import { DEFAULT_LIMITS, LOCKSTEP_POLICY, type Policy } from 'lockstep/planner';
import type { BatchSettings } from '../settings/batch-settings.js';
import type { StepAnswer } from './messages.js';

/** The batches as `lockstep explain` reads them. */
export function batchDocument({ ranks }: Pick<BatchSettings, 'ranks'>): BatchDocument {
  return {
    ranks: ranks.map((groups) => ({
      requests: groups.flatMap(({ count, phase, queryLen, numComputedTokens, lastChunk }) =>
        Array.from({ length: count }, () => ({
          ...{ phase, queryLen, numComputedTokens },
          ...(phase === 'prefill' && { lastChunk }),
        })),
      ),
    })),
  };
}

/** Explains the step of all ranks. Errors: those of `lockstep explain`. */
export async function explainStep(settings: BatchSettings): Promise<StepAnswer> {
  const limits = { ...DEFAULT_LIMITS, queryLen: settings.queryLen };
  const policy: Policy = {
    ...LOCKSTEP_POLICY,
    ...namedPolicy(settings.policy as PolicyName),
    ...(settings.ubatches > 1 && { ubatches: settings.ubatches }),
  };
  const { plan, notes } = ladderPlan({ ladder: settings.ladder, limits, policy });
  const document = batchDocument(settings);
  const explanation = await explainBatch(document, { limits, policy, plan });
  const { decision, votes, candidates } = explanation;
  return {
    ...{ document, explanation, plan, notes },
    run: runText(decision, plan),
    reason: reasonText(decision, votes, plan, policy),
    gather: decision.parts.length > 0 ? gatherText(decision) : '',
    candidates: candidateLines(candidates, plan),
  };
}
