import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DecisionValue, DecisionView, EAGER_REASONS, keyKind, StepPlanner } from '../../dist/entry/planner.js';
import { ENUMS, LAYOUT_VERSION } from '../../dist/layout/layout.js';
import { loadModules } from '../../dist/memory/modules.js';
import { candidatesPlain, resolvePlain } from '../oracles/resolve-oracle.js';
import { tableOf, type VoteRecord, votePlain } from '../oracles/vote-oracle.js';
import { refusedWith } from '../support/expectations.js';
import { before } from '../support/planner-session.js';
import { everySetupArbitrary, type PlannerSetup, setupArbitrary } from '../support/planner-setup.js';
import { FULL_RUN, runs } from '../support/property-runs.js';
import { type PeerBatch, peerArbitrary, peerChunks } from '../support/session-steps.js';

const modules = await loadModules();

const tables = fc.array(
  fc.record({ peers: fc.array(peerArbitrary, { minLength: 4, maxLength: 4 }), decodeOnly: fc.boolean() }),
  { minLength: 1, maxLength: 12 },
);

function votesOf(
  setup: PlannerSetup,
  planHash: number,
  peers: readonly PeerBatch[],
  decodeOnly: boolean,
): VoteRecord[] {
  const { plan, policy, ranks } = setup;
  return peers
    .slice(0, ranks)
    .map((peer) => votePlain(peerChunks(peer, setup, decodeOnly), { step: 0, planHash, plan, policy, ...peer.intent }));
}

function resolve(planner: StepPlanner, votes: readonly VoteRecord[], previous: DecisionView | null = null): Int32Array {
  planner.vote();
  const words = planner.resolve(tableOf(votes), previous).words.slice();
  planner.abandon();
  return words;
}

describe('resolve', () => {
  it('decides as the plain rules do, word for word the same on every rank, and tells the truth of every key', () => {
    const reasons = new Set<string>();
    const verdicts = new Set<string>();
    fc.assert(
      fc.property(everySetupArbitrary, tables, (setup, steps) => {
        const { plan, policy } = setup;
        const ranks = Array.from(
          { length: setup.ranks },
          (_, rank) => new StepPlanner(modules, { ...setup, rank, poison: rank % 2 === 1 }),
        );
        let last: DecisionView | undefined;
        for (const { peers, decodeOnly } of steps) {
          const votes = votesOf(setup, ranks[0].planHash, peers, decodeOnly);
          const words = ranks.map((planner) => resolve(planner, votes, before(0, last)));
          for (const other of words) expect(other).toEqual(words[0]);
          const decision = ranks[0].decision.snapshot();
          expect(decision).toEqual(resolvePlain(votes, plan, policy, last?.partCount));
          const candidates = ranks[0].candidates();
          expect(candidates).toEqual(candidatesPlain(votes, plan, policy, last?.partCount));
          const chosen = candidates.filter(({ verdict }) => verdict === 'chosen').map(({ key }) => key);
          expect(chosen).toEqual(decision.captureKey < 0 ? [] : [decision.captureKey]);
          reasons.add(decision.reason);
          for (const { verdict } of candidates) verdicts.add(verdict);
          // P6: nothing runs eager but for a stated reason; P3: every part has a token everywhere.
          expect(decision.run === 'eager').toBe(EAGER_REASONS.includes(decision.reason));
          for (const { paddedTokens, gather } of decision.parts) {
            expect(Math.min(paddedTokens, ...gather.tokensPerRank)).toBeGreaterThanOrEqual(1);
            for (const tokens of gather.tokensPerRank) expect(tokens % policy.tokenAlignment).toBe(0);
            // P4: a padded gather moves the same number of rows from everybody.
            if (gather.kind === 'padded') expect(new Set(gather.tokensPerRank)).toEqual(new Set([paddedTokens]));
          }
          last = new DecisionView(words[0]);
        }
      }),
      runs(2000),
    );
    if (!FULL_RUN) return;
    expect(reasons).toEqual(new Set(Object.keys(ENUMS.REASON)));
    expect(verdicts).toEqual(new Set(Object.keys(ENUMS.VERDICT)));
  });

  it('P9: the key of a graph holds the batch of every rank', () => {
    const kinds = new Set<string>();
    fc.assert(
      fc.property(everySetupArbitrary, tables, (setup, steps) => {
        const planner = new StepPlanner(modules, setup);
        for (const { peers, decodeOnly } of steps) {
          const votes = votesOf(setup, planner.planHash, peers, decodeOnly);
          resolve(planner, votes);
          const key = setup.plan.keys[planner.decision.captureKey];
          if (key === undefined) continue;
          const kind = keyKind(key);
          kinds.add(kind);
          const { tokens, prefillRequests, decodeRequests, queryLen, maxQueryLen, variant } = key;
          for (const vote of votes.filter((each) => each.tokens > 0)) {
            expect(vote.variant).toBe(variant);
            expect(vote.tokens).toBeLessThanOrEqual(tokens);
            if (kind === 'piecewise') continue;
            expect(vote.prefillRequests + vote.decodeRequests).toBeLessThanOrEqual(prefillRequests + decodeRequests);
            expect(vote.maxQueryLen).toBeLessThanOrEqual(maxQueryLen);
            if (decodeRequests > 0) expect(vote.maxDecodeQueryLen).toBeLessThanOrEqual(queryLen);
            if (kind === 'decode') expect(vote.decodeRequests * queryLen).toBeLessThanOrEqual(tokens);
            else expect(vote.prefillRequests).toBeLessThanOrEqual(prefillRequests);
          }
        }
      }),
      runs(800),
    );
    if (FULL_RUN) expect(kinds).toEqual(new Set(['decode', 'mixed', 'piecewise']));
  });

  it('says the same whichever rank holds which batch, but for the rank it names and the counts by rank', () => {
    fc.assert(
      fc.property(everySetupArbitrary, tables, fc.infiniteStream(fc.nat()), (setup, steps, keys) => {
        const planner = new StepPlanner(modules, setup);
        for (const { peers, decodeOnly } of steps) {
          const votes = votesOf(setup, planner.planHash, peers, decodeOnly);
          const order = votes.map((_, rank) => ({ rank, key: keys.next().value ?? 0 })).sort((a, b) => a.key - b.key);
          resolve(planner, votes);
          const decision = planner.decision.snapshot();
          const permuted = order.map(({ rank }) => votes[rank]);
          resolve(planner, permuted);
          const other = planner.decision.snapshot();
          expect(unnamed(other)).toEqual(unnamed(decision));
          for (const [index, part] of decision.parts.entries()) {
            const moved = order.map(({ rank }) => part.gather.tokensPerRank[rank]);
            expect(other.parts[index].gather.tokensPerRank).toEqual(moved);
          }
          if (other.reason === 'vetoed') expect(other.reasonDetail).toBe(permuted[other.reasonRank].graphVeto);
        }
      }),
      runs(800),
    );
  });

  it('refuses a table with one wrong word, the same on every rank', () => {
    const corruption = fc.constantFrom<[keyof VoteRecord, (vote: VoteRecord) => number, string]>(
      ['version', () => LAYOUT_VERSION + 1, 'version'],
      ['step', (vote) => vote.step + 1, 'step'],
      ['planHash', (vote) => vote.planHash ^ 1, 'planHash'],
      ['tokens', () => 1 << 30, 'tokens'],
      ['tokens', () => -1, 'tokens'],
      ['decodeRequests', () => 1 << 20, 'decodeRequests'],
      ['prefillRequests', () => -1, 'prefillRequests'],
      // Within what the word may be: more than a batch holds is refused for the word alone.
      ['part1Tokens', ({ part1Tokens }) => (part1Tokens > 0 ? part1Tokens - 1 : 1), 'tokens of all parts'],
      ['control', () => 7, 'control'],
      ['control', () => -1, 'control'],
    );
    fc.assert(
      fc.property(setupArbitrary, tables, corruption, fc.nat(3), (setup, [{ peers }], [name, value, what], at) => {
        const ranks = Math.max(2, setup.ranks);
        const planners = Array.from(
          { length: ranks },
          (_, rank) => new StepPlanner(modules, { ...setup, ranks, rank }),
        );
        const votes = votesOf({ ...setup, ranks }, planners[0].planHash, peers, false);
        const wrong = votes.map((vote, rank) => (rank === at % ranks ? { ...vote, [name]: value(vote) } : vote));
        const errors = planners.map((planner) => {
          planner.vote();
          return refusedWith('ERR_RANKS_DIVERGED', () => planner.resolve(tableOf(wrong), null));
        });
        expect(new Set(errors.map(({ message }) => message)).size).toBe(1);
        expect(errors[0].message).toContain(what);
        // Of two ranks whose versions, steps or plans differ either may be wrong; the others have a witness.
        const tie = ranks === 2 && ['version', 'step', 'planHash'].includes(what);
        expect(errors[0].details.ranks).toEqual(tie ? [0, 1] : [at % ranks]);
      }),
      runs(400),
    );
  });
});

function unnamed(decision: DecisionValue): object {
  const { reasonRank, reasonDetail, parts, ...rest } = decision;
  const counts = parts.map(({ gather, ...part }) => ({ ...part, kind: gather.kind }));
  return { ...rest, named: reasonRank >= 0, detail: decision.reason === 'vetoed' ? -1 : reasonDetail, counts };
}
