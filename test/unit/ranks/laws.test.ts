import { beforeAll, describe } from 'vitest';
import { createThreadsGroup } from '../../../dist/ranks/index.js';
import { lawsOf } from '../../fixtures/ranks/laws.mjs';
import { runScenario, valuesOf } from '../../support/ranks-fixture.js';
import { itHoldsTheLaws, type SeenLaws } from '../../support/ranks-laws.js';

describe('a solo collective', () => {
  let seen: SeenLaws[] = [];
  beforeAll(async () => {
    seen = valuesOf(await runScenario(1, 'laws', { transport: 'solo' }));
  });
  itHoldsTheLaws(1, () => seen);
});

describe.each([1, 2, 3, 4])('a threads group of %i', (size) => {
  let seen: SeenLaws[] = [];
  beforeAll(async () => {
    const groups = lawsOf(size).map(([, { groups: count = 1, rowWords = 1 }]) =>
      Array.from({ length: count }, () => createThreadsGroup(size, { rowWords })),
    );
    seen = valuesOf(
      await runScenario(size, 'laws', { transport: 'threads', groups }, { signal: AbortSignal.timeout(240_000) }),
    );
  });
  itHoldsTheLaws(size, () => seen);
});
