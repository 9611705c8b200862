import { checkPolicy, standardDomain } from '../../dist/check/index.js';
import type { Property } from '../../dist/check/properties.js';
import { decodePlan } from '../../dist/entry/planner.js';
import { mixedKey } from '../../dist/keys/capture-key.js';
import { PAIRS, pairOver } from '../support/check-fixture.js';
import type { Law } from './law.js';

/** Domains that are made for one rule each, beside the policies'. */
const CORNERS = [
  [
    'two query lengths',
    pairOver({ decodeMatch: 'uniform' }, (keys) => [
      ...keys,
      ...decodePlan({ sizes: [2, 4], limits: { maxNumSeqs: 18, queryLen: 1 }, policy: {} }).keys,
    ]),
  ],
  [
    'two query lengths, drafts padded',
    pairOver({}, (keys) => [
      ...keys,
      ...decodePlan({ sizes: [2, 4], limits: { maxNumSeqs: 18, queryLen: 1 }, policy: {} }).keys,
    ]),
  ],
  ['mixed slots of one token', pairOver({}, (keys) => [...keys, mixedKey(12, 1, 3, 1)])],
  [
    'alignment of two requests',
    pairOver({ tokenAlignment: 4 }, () => [
      ...decodePlan({
        sizes: [12, 4],
        limits: { maxNumSeqs: 18, queryLen: 2 },
        policy: { tokenAlignment: 4, ubatches: 2, ubatchThresholdDecode: 8 },
      }).keys,
    ]),
  ],
  [
    'piecewise graphs too small to cut',
    pairOver(
      { graphAgreement: 'min-mode-padded', split: 'padded-share', sharedBlocks: 'veto', tokenAlignment: 8 },
      (keys) => keys.filter(({ mode }) => mode === 'piecewise'),
    ),
  ],
] as const;

/** Every pair that is checked, with the properties that it breaks as the rules are. */
const checked = [
  ...[...PAIRS, ...CORNERS].map(([name, pair]) => ({ name, options: { pair } })),
  { name: 'a replica of two', options: { pair: standardDomain({}), replicaSize: 2 } },
].map((one) => ({ ...one, known: undefined as Set<Property> | undefined }));

/** The model checker finds nothing in any pair that it does not find in the rules as they are. */
export const check: Law = {
  name: 'check',
  async broken(modules, known) {
    const first = checked.filter(({ name }) => known?.endsWith(` (${name})`));
    for (const one of new Set([...first, ...checked])) {
      one.known ??= new Set((await checkPolicy(one.options)).violations.map(({ property }) => property));
      const { violations } = await checkPolicy({ ...one.options, wasm: modules });
      const found = violations.map(({ property }) => property).filter((property) => !one.known?.has(property));
      if (found.length > 0) return `${found.join(', ')} (${one.name})`;
    }
    return undefined;
  },
};
