import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readCsv, readText } from '../../dist/input/index.js';
import { type CsvOutcome, plainCsv } from '../oracles/csv-oracle.js';
import { runs } from '../support/property-runs.js';

/** What `readCsv` makes of chunks, in the oracle's words. */
async function outcomes(chunks: readonly (string | Uint8Array)[]): Promise<CsvOutcome[]> {
  const found: CsvOutcome[] = [];
  const refuse = (line: number, _field: string, expected: string, seen: unknown): never => {
    const columns = /^(\d+ fields), as/.exec(expected);
    found.push({ fault: columns === null ? String(seen) : `${columns[1]}: ${seen}`, line });
    throw new Error('refused');
  };
  async function* source(): AsyncGenerator<string | Uint8Array> {
    yield* chunks;
  }
  try {
    for await (const rows of readCsv(readText(source()), refuse)) {
      for (const { fields, line } of rows) found.push({ fields, line });
    }
  } catch (error) {
    if ((error as Error).message !== 'refused') throw error;
  }
  return found;
}

/** Pieces that a CSV is made of, right and wrong alike. */
const PIECES = [
  'a',
  '12',
  ',',
  ',',
  ',',
  '"',
  '""',
  '"x"',
  '"a,b"',
  '\n',
  '\n',
  '\r\n',
  '\r',
  ' ',
  '\t',
  'é',
  '\u00a0',
  '.',
  '"\n',
];

/** Rows of three fields that are mostly as they should be, with line ends and blanks of every kind. */
const row = fc
  .tuple(
    fc.array(
      fc.tuple(
        fc.constantFrom('', ' ', '\t'),
        fc.constantFrom('1', '2023-11-16 18:15:46', '"q"', '"a ""b"", c"', '"two\nlines"', '"two\r\nlines"', 'é', ''),
        fc.constantFrom('', ' ', '\u3000'),
      ),
      { minLength: 3, maxLength: 3 },
    ),
    fc.constantFrom('\n', '\n', '\n', '\r\n', '\n\n', '\n \r\n', ',\n', '"\n'),
  )
  .map(([fields, end]) => fields.map((parts) => parts.join('')).join(',') + end);

const text = fc.oneof(
  fc.array(fc.constantFrom(...PIECES), { maxLength: 40 }).map((pieces) => pieces.join('')),
  fc.array(row, { maxLength: 12 }).map((rows) => rows.join('')),
);

test('a CSV reads as csv-parse reads it whole: rows, lines and the first fault, wherever its bytes are cut', async () => {
  await fc.assert(
    fc.asyncProperty(text, fc.boolean(), fc.array(fc.nat(400), { maxLength: 6 }), async (csv, mark, cuts) => {
      const bytes = Buffer.from(mark ? `\uFEFF${csv}` : csv);
      const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
      const chunks = places.slice(1).map((end, index) => bytes.subarray(places[index], end));
      // A mark that stands behind the first is white space to both.
      expect(await outcomes(chunks)).toEqual(plainCsv(csv.replace(/^\uFEFF/, '')));
    }),
    runs(1500),
  );
});

test('it does at every one place', async () => {
  const csv = 'a,b,c\r\n1, "2,\r\n3" ,4\r\n\r\n"5","6""",7\n8,9,\u00e9\r\n \t\n"1",2\n';
  const bytes = Buffer.from(csv);
  const whole = plainCsv(csv);
  expect(whole).toHaveLength(5);
  for (let at = 0; at <= bytes.length; at++) {
    expect(await outcomes([bytes.subarray(0, at), bytes.subarray(at)]), `cut at ${at}`).toEqual(whole);
  }
  expect(await outcomes([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(whole);
});
