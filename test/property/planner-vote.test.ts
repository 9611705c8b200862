import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RawRules } from '../../dist/agreement/raw-rules.js';
import { ENUMS, VOTE_WORDS } from '../../dist/layout/layout.js';
import { loadModules } from '../../dist/memory/modules.js';
import { factsOf, rowsOf, voteOfFacts } from '../oracles/vote-oracle.js';
import { everySetupArbitrary } from '../support/planner-setup.js';
import { FULL_RUN, runs } from '../support/property-runs.js';
import { peerArbitrary, peerChunks } from '../support/session-steps.js';

const modules = await loadModules();

const batches = fc.array(
  fc.record({ peer: peerArbitrary, whole: fc.boolean(), sharedBlock: fc.constantFrom(0, 0, 0, 1) }),
  { minLength: 1, maxLength: 8 },
);

describe('a vote', () => {
  it('says of its facts what the plain rules say, under any policy and plan', () => {
    const modes = new Set<number>();
    fc.assert(
      fc.property(everySetupArbitrary, batches, (setup, given) => {
        const { plan, policy, limits } = setup;
        const rules = new RawRules(modules, { limits, policy, keys: plan.keys });
        for (const { peer, whole, sharedBlock } of given) {
          const facts = { ...factsOf(peerChunks(peer, setup, false), policy), sharedBlock };
          if (whole) facts.canSplit = 0;
          const { graphVeto = 'none', ubatchVeto = 'none', variant = 0, leave = false } = peer.intent;
          const words = rules.vote(0, facts, {
            control: ENUMS.CONTROL[leave ? 'leave' : 'run'],
            graphVeto: ENUMS.VETO[graphVeto],
            ubatchVeto: ENUMS.VETO[ubatchVeto],
            variant,
          });
          const vote = voteOfFacts(facts, { step: 0, planHash: rules.planHash, plan, policy, ...peer.intent });
          expect([...words]).toEqual([...rowsOf([vote])]);
          expect(words).toHaveLength(VOTE_WORDS.length);
          modes.add(vote.graphMode);
        }
      }),
      runs(1000),
    );
    if (FULL_RUN) expect(modes).toEqual(new Set(Object.values(ENUMS.MODE)));
  });
});
