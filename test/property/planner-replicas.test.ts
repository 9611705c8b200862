import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StepPlanner } from '../../dist/entry/planner.js';
import { ENUMS, VOTE_WORDS, word } from '../../dist/layout/layout.js';
import { loadModules } from '../../dist/memory/modules.js';
import { resolvePlain } from '../oracles/resolve-oracle.js';
import { tableOf, type VoteRecord, votePlain } from '../oracles/vote-oracle.js';
import { refusedWith } from '../support/expectations.js';
import { everySetupArbitrary, type PlannerSetup } from '../support/planner-setup.js';
import { runs } from '../support/property-runs.js';
import { peerArbitrary, peerChunks } from '../support/session-steps.js';

const modules = await loadModules();

/** Two replicas of three ranks. */
const RANKS = 6;
const SIZE = 3;

/** Words in which processes of one replica may differ. */
const OWN = ['graphMode', 'wantsUbatches', 'canSplit', 'graphVeto', 'ubatchVeto', 'flags'];

/** Words that every vote of a replica's batch has alike, and that no limit bounds for itself. */
const SHARED = VOTE_WORDS.slice(word(VOTE_WORDS, 'phase'), word(VOTE_WORDS, 'decisionHash')).filter(
  (name) => !OWN.includes(name),
);

const step = fc.record({
  peers: fc.array(peerArbitrary, { minLength: 2, maxLength: 2 }),
  processes: fc.array(
    fc.record({
      graphVeto: fc.constantFrom(0, 0, 0, 0, 3),
      ubatchVeto: fc.constantFrom(0, 0, 0, 2),
      cannotSplit: fc.constantFrom(false, false, false, true),
    }),
    { minLength: RANKS, maxLength: RANKS },
  ),
  faults: fc.array(
    fc.integer({ min: 0, max: 19 }).map((value) => (value === 0 ? 4 : 0)),
    { minLength: RANKS, maxLength: RANKS },
  ),
});

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Votes of replicas whose ranks hold one batch each, and differ in what each of them can do. */
function votesOf(planner: StepPlanner, setup: PlannerSetup, given: Step): VoteRecord[] {
  const { plan, policy } = setup;
  const { peers, processes } = given;
  return processes.map(({ graphVeto, ubatchVeto, cannotSplit }, rank) => {
    const peer = peers[Math.floor(rank / SIZE)];
    const context = { step: 0, planHash: planner.planHash, plan, policy, ...peer.intent };
    const vote = votePlain(peerChunks(peer, setup, false), context);
    const canSplit = cannotSplit ? 0 : vote.canSplit;
    const wantsUbatches = canSplit === 1 && ubatchVeto === 0 ? vote.wantsUbatches : 0;
    return { ...vote, graphVeto, ubatchVeto, canSplit, wantsUbatches };
  });
}

function plannerOf(setup: PlannerSetup): StepPlanner {
  const planner = new StepPlanner(modules, { ...setup, ranks: RANKS, rank: 0, replicaSize: SIZE });
  planner.vote();
  return planner;
}

describe('ranks of one replica', () => {
  it('may differ in what each can do: one veto, one rank that cannot be cut, one fault count for all', () => {
    fc.assert(
      fc.property(everySetupArbitrary, step, (setup, given) => {
        const planner = plannerOf(setup);
        const votes = votesOf(planner, setup, given).map((vote, rank) =>
          given.faults[rank] === 0 ? vote : { ...vote, control: ENUMS.CONTROL.fault, faultCode: given.faults[rank] },
        );
        const ranks = given.faults.flatMap((code, rank) => (code === 0 ? [] : [rank]));
        if (ranks.length > 0) {
          const error = refusedWith('ERR_RANK_FAULT', () => planner.resolve(tableOf(votes), null));
          expect(error.details.ranks).toEqual(ranks);
          return;
        }
        const decision = planner.resolve(tableOf(votes), null).snapshot();
        expect(decision).toEqual(resolvePlain(votes, setup.plan, setup.policy));
        const vetoing = votes.some((vote) => vote.tokens > 0 && vote.graphVeto !== 0);
        expect(decision.reason === 'vetoed').toBe(vetoing);
      }),
      runs(500),
    );
  });

  it('may differ in nothing else', () => {
    fc.assert(
      fc.property(
        everySetupArbitrary,
        step,
        fc.constantFrom(...SHARED),
        fc.nat(RANKS - 1),
        (setup, given, name, rank) => {
          const planner = plannerOf(setup);
          const votes = votesOf(planner, setup, given);
          const other = { ...votes[rank], [name]: votes[rank][name] + 1 };
          const table = tableOf(votes.map((vote, index) => (index === rank ? other : vote)));
          const { details } = refusedWith('ERR_RANKS_DIVERGED', () => planner.resolve(table, null));
          // A count that no vote can have is told as that.
          if (details.what === 'limits') expect(details.ranks).toEqual([rank]);
          else expect(details).toMatchObject({ what: 'replica', word: name, ranks: [rank] });
        },
      ),
      runs(500),
    );
  });
});
