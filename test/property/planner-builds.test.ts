import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nativeMetadata } from '../../dist/entry/native.js';
import { loadModules } from '../../dist/memory/modules.js';
import { PlannerSession, type SessionResult } from '../support/planner-session.js';
import { everySetupArbitrary, type PlannerSetup, setupArbitrary } from '../support/planner-setup.js';
import { FACTOR, FULL_RUN, runs } from '../support/property-runs.js';
import { sessionOf } from '../support/session-steps.js';

const builds = await Promise.all([
  loadModules({}, 'on'),
  loadModules({}, 'off'),
  loadModules({ metadata: nativeMetadata() }),
]);

/** Batches of one request at least that every build has built, and those of none, which are padding to the last entry. */
const compared = { batches: 0, dummies: 0, tokens: 0, paddedTokens: 0 };
const seen = new Set<string>();

function note({ limits, policy, padding, tensors, deviceSupplied }: PlannerSetup, result: SessionResult): void {
  const { plain, entries, decision } = result;
  if (plain === undefined) return;
  if (entries.length === 0) compared.dummies++;
  else compared.batches++;
  compared.tokens += entries.reduce((sum, { queryLen }) => sum + queryLen, 0);
  compared.paddedTokens += plain.paddedTokens;
  const cut = decision.parts.length > 1;
  const mixed = decision.paddedPrefillRequests > 0 ? 'mixed ' : '';
  seen.add(`${mixed}${decision.run} ${cut ? 'parts' : 'plain'}`).add(padding);
  if (cut && entries.some(({ phase }) => phase === 'prefill')) seen.add(`split ${policy.split}`);
  if (cut && decision.run === 'eager') seen.add(policy.eagerParts);
  if (tensors.csr) seen.add('csr');
  if (limits.contextParallelSize > 1) seen.add('context parallelism');
  for (const name of deviceSupplied) seen.add(`device: ${name}`);
}

describe('builds of the metadata sources', () => {
  it.each([
    ['decode graphs', setupArbitrary],
    ['graphs of every kind', everySetupArbitrary],
  ] as const)(
    'SIMD, scalar, native and one rebuilt for each batch hold the plain tensors, every byte alike: %s',
    (_name, setups) => {
      fc.assert(
        fc.property(setups, sessionOf(96), (setup, steps) => {
          const session = new PlannerSession(builds, setup, [true, true, true]);
          for (const step of steps) {
            const result = session.take(step);
            if (result !== undefined) note(setup, result);
          }
        }),
        runs(1750),
      );
    },
    600_000 * Math.max(1, FACTOR),
  );

  it('were compared on 100,000 batches, of every kind there is', () => {
    console.log(`compared with every build: ${JSON.stringify(compared)}`);
    expect(compared.batches).toBeGreaterThanOrEqual(100_000 * FACTOR);
    if (!FULL_RUN) return;
    const runsOf = ['eager parts', 'eager plain', 'full parts', 'full plain', 'mixed full plain'];
    const splits = ['token-share', 'balanced', 'token-midpoint', 'padded-share'].map((name) => `split ${name}`);
    const others = ['piecewise parts', 'piecewise plain', 'csr', 'context parallelism', 'maxima', 'equal-shares'];
    const supplied = ['inputIds', 'positions', 'seqLens'].map((name) => `device: ${name}`);
    const paddings = ['lockstep', 'sglang', 'flashinfer', 'trtllm'];
    expect([...seen].sort()).toEqual([...runsOf, ...splits, ...others, ...supplied, ...paddings].sort());
  });
});
