import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FIRST_BATCH, MOST, type RequestGroup } from '../../page/src/settings/batch-settings.js';
import { planCommand } from '../../page/src/settings/command.js';
import { type Field, fieldValue, PLAN_FIELDS } from '../../page/src/settings/fields.js';
import { type Link, linkText, readLink } from '../../page/src/settings/link.js';
import { cli } from '../support/cli.js';
import { runs } from '../support/property-runs.js';

function anyOf(field: Field): fc.Arbitrary<number | string> {
  if (field.kind === 'choice') return fc.constantFrom(...field.of);
  if (field.kind === 'text') return fc.string({ unit: 'grapheme', maxLength: 60 });
  const { least, most, kind } = field;
  return kind === 'integer' ? fc.integer({ min: least, max: most }) : fc.double({ min: least, max: most, noNaN: true });
}

const settings = fc.record(
  Object.fromEntries(Object.entries(PLAN_FIELDS).map(([name, field]) => [name, anyOf(field)])),
  { requiredKeys: [] },
);

const group: fc.Arbitrary<RequestGroup> = fc
  .record({
    count: fc.integer({ min: 1, max: MOST.requests }),
    phase: fc.constantFrom('decode' as const, 'prefill' as const),
    queryLen: fc.integer({ min: 1, max: 8192 }),
    numComputedTokens: fc.integer({ min: 0, max: 100_000 }),
    lastChunk: fc.boolean(),
  })
  .map((made) => ({ ...made, lastChunk: made.phase === 'prefill' && made.lastChunk }));

const batch = fc.record({
  ranks: fc.array(fc.array(group, { maxLength: MOST.groups }), { minLength: 1, maxLength: MOST.ranks }),
  ladder: fc.constantFrom('1,2,4', 'vllm', '8'),
  policy: fc.constantFrom(...PLAN_FIELDS.policy.of),
  ubatches: fc.integer({ min: 1, max: 4 }),
  queryLen: fc.integer({ min: 1, max: 64 }),
});

test('a link gives back the settings that it was made of', () => {
  const links: fc.Arbitrary<Link> = fc.oneof(
    settings.map((made) => ({ view: 'plan' as const, settings: made })),
    batch.map((made) => ({ view: 'step' as const, settings: made })),
    fc.record({ name: fc.string(), at: fc.nat(9999) }).map((made) => ({ view: 'stories' as const, settings: made })),
  );
  fc.assert(
    fc.property(links, (link) => {
      expect(readLink(`#${linkText(link)}`)).toEqual({ link, faults: [] });
    }),
    runs(100),
  );
});

test.each([
  ['plan?graphs=0', 'The link sets graphs to 0; it must be a whole number from 1 to 4096.'],
  ['plan?graphs=1.5&ranks=3', 'The link sets graphs to 1.5; it must be a whole number from 1 to 4096.'],
  ['plan?gpu=h9', 'The link sets gpu to h9; it must be one of a100, h100'],
  ['plan?grphs=3', 'The link sets grphs, which is no setting of a plan.'],
  ['plam', 'The link names the view plam, and there is none: this is the plan.'],
  ['step?batch=3x1', 'The link holds no batches that can be read: these are others.'],
  ['stories?at=x', 'The link says the line x of a story; it must be a number.'],
])('a link that cannot be read says so, and has the default: %s', (text, fault) => {
  const { link, faults } = readLink(text);
  expect(faults).toHaveLength(1);
  expect(faults[0]).toContain(fault);
  const name = text.replace(/\?.*/, '');
  expect(link.view).toBe(name === 'plam' ? 'plan' : name);
  if (link.view === 'step') expect(link.settings).toEqual(FIRST_BATCH);
  if (text.includes('ranks=3')) expect(link.settings).toEqual({ ranks: 3 });
});

test('no text is read without an answer, and whatever is read is within its bounds', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.webQueryParameters().map((text) => `plan?${text}`),
      ),
      (text) => {
        const { link, faults } = readLink(text);
        if (link.view !== 'plan') return;
        expect(Array.isArray(faults)).toBe(true);
        for (const [name, value] of Object.entries(link.settings)) {
          expect(fieldValue(PLAN_FIELDS[name as keyof typeof PLAN_FIELDS], `${value}`)).toEqual({ value });
        }
      },
    ),
    runs(100),
  );
});

test('the command says every setting with an option that the command line has', () => {
  const { stdout } = cli(['plan', '--help']);
  for (const { option } of Object.values(PLAN_FIELDS)) expect(stdout).toMatch(new RegExp(`${option}\\b`));
  const line = planCommand(
    { seqs: 64, gpu: 'h100', model: 'phi-2', tp: 2, engine: "vllm serve 'm'", seed: 3 },
    'a b.csv',
  );
  expect(line).toBe(
    `lockstep plan 'a b.csv' --max-num-seqs 64 --cost-model h100:phi-2 --tensor-parallel-size 2 --engine 'vllm serve '\\''m'\\'''`,
  );
});
