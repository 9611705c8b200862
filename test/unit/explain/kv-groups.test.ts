import { describe, expect, it } from 'vitest';
import { type BatchDocument, explainBatch, explanationText } from '../../../dist/entry/check.js';
import { cli } from '../../support/cli.js';
import { rejectionOf } from '../../support/device-fixture.js';

const kvGroups = [{ blockSize: 16 }, { blockSize: 8, numBlocks: 20, window: 4 }];
const limits = { kvGroups };

/** A decode at position 31: in the last place of its second block of 16, and of its fourth block of 8. */
const decode = { phase: 'decode', queryLen: 1, numComputedTokens: 31 } as const;
const named: BatchDocument = {
  ranks: [
    {
      requests: [
        {
          ...decode,
          blockIds: [
            [5, 9],
            [0, 0, 0, 4],
          ],
        },
      ],
    },
  ],
};
const unnamed: BatchDocument = { ranks: [{ requests: [decode] }] };

describe('an explanation with several KV cache groups', () => {
  it('holds the slots and blocks of each, from a list of blocks each', async () => {
    const { tensors } = await explainBatch(named, { limits });
    expect(tensors[0].whole.slotMapping).toEqual([9 * 16 + 15]);
    expect(tensors[0].groups?.map(({ whole }) => whole.slotMapping)).toEqual([[9 * 16 + 15], [4 * 8 + 7]]);
    expect(tensors[0].groups?.map(({ blockTable }) => blockTable)).toEqual([[[5, 9]], [[0, 0, 0, 4]]]);
    expect(tensors[0].groups?.map(({ tableWidth }) => tableWidth)).toEqual([8192, 16384]);
  });

  it('makes up blocks of each group, and says of which', async () => {
    const found = await explainBatch(unnamed, { limits });
    expect(found.inventedBlocks).toEqual([
      { rank: 0, request: 0, blockIds: [1, 2], group: 0 },
      { rank: 0, request: 0, blockIds: [1, 2, 3, 4], group: 1 },
    ]);
    const text = explanationText(found, { keys: [] }).join('\n');
    expect(text).toContain('blocks 1 to 4 of KV group 1 made up for requests 0, which name none');
    expect(text).toContain('KV group 1\n    slotMapping    i64[1]     39\n    blockTable     i32[1, 16384], 4 in use');
  });

  it('without groups holds none', async () => {
    const found = await explainBatch(unnamed);
    expect(found.tensors[0]).not.toHaveProperty('groups');
    expect(found.inventedBlocks).toEqual([{ rank: 0, request: 0, blockIds: [1, 2] }]);
  });

  it.each([
    ['one list', [5, 9], 'it must hold one list a KV cache group: 2'],
    ['a list and an id', [[5, 9], 4], 'ranks[0].requests[0].blockIds[1] is 4; it must be an array of 32-bit integers'],
    ['no list', [[5, 9], null], 'ranks[0].requests[0].blockIds[1] is null'],
  ])('%s instead of two is refused by its place', async (_name, blockIds, expected) => {
    const document = { ranks: [{ requests: [{ ...decode, blockIds }] }] } as unknown as BatchDocument;
    const error = await rejectionOf('ERR_INPUT_INVALID', explainBatch(document, { limits }));
    expect(error.message).toContain('ranks[0].requests[0]');
    expect(error.message).toContain(expected);
  });
});

describe('lockstep explain --kv-groups', () => {
  it('takes the groups as JSON; the first says block size and pool', () => {
    const { status, stdout } = cli(
      ['explain', '--json', '--ladder', '1', '--kv-groups', JSON.stringify(kvGroups)],
      JSON.stringify(named),
    );
    expect(status).toBe(0);
    expect(JSON.parse(stdout).tensors[0].groups[1].whole.slotMapping).toEqual([39]);
  });

  it.each([
    ['[{"blockSize":8', 'It must be JSON.', []],
    ['[]', '--kv-groups is an array of 0', []],
    ['[{"blockSize":8}]', '--block-size is 32 and --kv-groups[0].blockSize is 8', ['--block-size', '32']],
  ])('%s exits 2', (groups, expected, more) => {
    const { status, stderr } = cli(['explain', '--kv-groups', groups, ...more], JSON.stringify(unnamed));
    expect(status).toBe(2);
    expect(stderr).toContain(expected);
  });
});
