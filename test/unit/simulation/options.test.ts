import { describe, expect, it } from 'vitest';
import { completeRunOptions } from '../../../dist/run/index.js';
import { completeSimulateOptions } from '../../../dist/simulation/index.js';
import { optionFaults } from '../../support/option-faults.js';

const vllm = { engine: 'vllm', maxNumSeqs: 32 };
const auto = "numBlocks is auto, which is for a model's cache, and there is none: give model, or numBlocks a number";
const seed = 'seed is -1; it must be an integer from 0 to 9007199254740991';
const groups = { kvGroups: [{ blockSize: 16 }, { blockSize: 32 }] };

describe('the options that decide steps', () => {
  it.each<[object, string[]]>([
    [
      { ranks: 0, seed: -1, limits: { blockSize: 0 }, policy: { ubatches: 9 } },
      [
        'blockSize is 0; it must be an integer from 1 to 16777216',
        'ubatches is 9; it must be an integer from 1 to 4',
        'ranks is 0; it must be an integer from 1 to 64',
        seed,
      ],
    ],
    [
      { limits: new Map([['maxNumSeqs', 1]]), policy: new Set(['name']), seed: -1 },
      ['limits is a Map; it must be an object', 'policy is a Set; it must be an object', seed],
    ],
    [{ limits: Promise.resolve({ maxNumSeqs: 1 }) }, ['limits is a Promise; it must be an object']],
    [
      { limits: 5, ranks: 65, seed: -1, ladder: [0] },
      [
        'limits is 5; it must be an object',
        'ranks is 65; it must be an integer from 1 to 64',
        seed,
        'sizes[0] is 0; it must be an integer from 1 to 2147483647',
      ],
    ],
    [
      { limits: 'all', policy: null },
      ['limits is "all"; it must be an object', 'policy is null; it must be an object'],
    ],
    [{ limits: { numBlocks: 'auto', maxNumSeqs: 0 }, seed: -1 }, [auto, seed]],
    [{ engine: vllm, limits: { numBlocks: 'auto' } }, [auto]],
    [
      { limits: groups, seed: -1 },
      [
        seed,
        "kvGroups holds 2 groups; a run's scheduler and KV cache have one: leave kvGroups out, and drive several with createRank()",
      ],
    ],
    [
      { limits: { numBlocks: 2 ** 31 - 1, blockSize: 2 ** 24, kernelBlockSize: 2 ** 24 } },
      [
        "a KV cache of numBlocks 2147483647 * blockSize 16777216 takes 144115188008747000 bytes, and a rank's device has 9007199254740991",
      ],
    ],
    [
      { plan: { keys: 'a' }, speed: 0 },
      [
        'speed is 0; it must be a number from 0.000001 to 1000000000',
        'A capture plan must have its graphs in an array named keys',
      ],
    ],
    [{ engine: vllm, ladder: [0] }, ['sizes[0] is 0; it must be an integer from 1 to 4194304']],
  ])('%j: each fault once, of a simulation as of a run', (options, told) => {
    expect(optionFaults(completeSimulateOptions, options)).toEqual(told);
    expect(optionFaults(completeRunOptions, options)).toEqual(told);
  });

  it.each<object>([
    {},
    { ranks: 64, ladder: 'vllm', seed: 7, acceptRate: 0, speed: 2, stepTime: [1, 2, 3] },
    { engine: vllm },
    { engine: vllm, ladder: [1, 2], limits: { queryLen: 2 }, policy: { ubatches: 2 } },
    { twins: true, ladder: [32, 64], policy: { ubatches: 2 } },
    { plan: { keys: [] }, ladder: [0] },
  ])('%j: they come to the same in a simulation and a run', (options) => {
    const simulated = completeSimulateOptions(options);
    expect(completeRunOptions(options)).toMatchObject({ ...simulated });
    expect(Object.keys(simulated).sort()).toEqual(
      ['ladderEngine', 'ladderNotes', 'limits', 'plan', 'policy', 'ranks', 'scheduler'].sort(),
    );
  });

  it('of a simulation are no others, and what is none is refused as such', () => {
    const has = 'ranks, limits, policy, plan, ladder, engine, twins, acceptRate, seed, speed, stepTime';
    expect(optionFaults(completeSimulateOptions, { device: 'host', tensorParallelSize: 2, ranks: 0 })).toEqual([
      `simulate options has no device; it has ${has}`,
      `simulate options has no tensorParallelSize; it has ${has}`,
    ]);
    expect(optionFaults(completeSimulateOptions, [])).toEqual(['simulate options is []; it must be an object']);
  });

  it('that need more memory than a planner has are refused before a step', () => {
    const limits = { maxNumSeqs: 65536, maxNumBatchedTokens: 2 ** 22, maxModelLen: 2 ** 28, blockSize: 1 };
    for (const complete of [completeSimulateOptions, completeRunOptions]) {
      expect(() => complete({ limits })).toThrow(expect.objectContaining({ code: 'ERR_PLAN_CAPACITY' }));
    }
  });
});
