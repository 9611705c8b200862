import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { keyCandidates } from '../../dist/agreement/key-candidates.js';
import { RawRules } from '../../dist/agreement/raw-rules.js';
import { DECISION_WORDS, ENUMS, VOTE_WORDS, word } from '../../dist/layout/layout.js';
import { candidatesPlain, resolvePlain } from '../oracles/resolve-oracle.js';
import { factsOf, type VoteRecord, votePlain } from '../oracles/vote-oracle.js';
import { everySetupArbitrary } from '../support/planner-setup.js';
import { peerArbitrary, peerChunks } from '../support/session-steps.js';
import type { Law } from './law.js';

/** The first run in which `holds` does not; the same runs every time. */
function firstFailure<T>(arbitrary: fc.Arbitrary<T>, runs: number, holds: (value: T) => boolean): boolean {
  return fc.check(
    fc.property(arbitrary, (value) => holds(value)),
    { numRuns: runs, seed: 1, endOnFailure: true },
  ).failed;
}

const setups = fc.record({
  setup: everySetupArbitrary,
  peers: fc.array(peerArbitrary, { minLength: 4, maxLength: 4 }),
  decodeOnly: fc.boolean(),
  lastParts: fc.constantFrom(0, 1, 2),
});

/** A random batch is voted, and a random table decided and every key's fate told, as the plain rules do. */
export const oracle: Law = {
  name: 'oracle',
  async broken(modules) {
    let what = '';
    const failed = firstFailure(setups, 3000, ({ setup, peers, decodeOnly, lastParts }) => {
      const { limits, policy, plan, ranks } = setup;
      const rules = new RawRules(modules, { limits, policy, keys: plan.keys, ranks });
      const context = { step: 0, planHash: rules.planHash, plan, policy };
      const table = peers.slice(0, ranks).map((peer) => {
        const chunks = peerChunks(peer, setup, decodeOnly);
        return { facts: factsOf(chunks, policy), vote: votePlain(chunks, { ...context, ...peer.intent }) };
      });
      what = 'a random vote';
      // What a batch is told beside its facts stands in the row as given.
      for (const [rank, { facts, vote }] of table.entries()) {
        const { control, variant, graphVeto, ubatchVeto } = vote;
        if (!isDeepStrictEqual([...rules.vote(rank, facts, { control, variant, graphVeto, ubatchVeto })], row(vote))) {
          return false;
        }
      }
      what = 'a random table';
      const votes = table.map(({ vote }) => vote);
      const status = rules.rules.resolve(
        rules.table.byteOffset,
        ranks,
        lastParts === 0 ? 0 : before(rules, -1, lastParts),
        rules.decision.words.byteOffset,
      );
      if (status !== ENUMS.RESOLVE.ok) return false;
      if (!isDeepStrictEqual(rules.decision.snapshot(), resolvePlain(votes, plan, policy, lastParts))) return false;
      what = 'a key of a random table';
      rules.rules.explainCandidates(rules.decision.words.byteOffset);
      const told = keyCandidates(rules.memory.words('candidates'), plan.keys.length);
      return isDeepStrictEqual([...told], candidatesPlain(votes, plan, policy, lastParts));
    });
    return failed ? what : undefined;
  },
};

const row = (vote: VoteRecord): number[] => VOTE_WORDS.map((name) => vote[name]);

/** A decision before a step, of another step and in so many parts; its address. */
export function before({ memory }: RawRules, step: number, parts: number): number {
  const words = memory.words('previous').fill(0);
  words[word(DECISION_WORDS, 'step')] = step;
  words[word(DECISION_WORDS, 'parts')] = parts;
  return words.byteOffset;
}
