import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { optimiseLadder, scoreLadder } from '../../../dist/entry/capture.js';
import {
  type CostTableOptions,
  GPUS,
  type GpuName,
  MODELS,
  type ModelName,
  readCostTable,
  rooflineCosts,
  tokenCosts,
} from '../../../dist/entry/workload.js';
import { profiles, profilesAbsent } from '../../support/traces.js';

const read = (text: string, options: CostTableOptions): ReturnType<typeof readCostTable> =>
  readCostTable(
    (async function* () {
      yield text;
    })(),
    options,
  );

const refused = (message: RegExp): object => ({
  code: 'ERR_INPUT_INVALID',
  message: expect.stringMatching(message),
});

describe('costs from a table', () => {
  const table = 'num_tokens,time\n1,5\n8,6\n16,4\n32,9\n';

  it('are those of the next measured size, raised where they would fall', async () => {
    const { costs, raised, unit } = await read(table, { maxSize: 20 });
    expect(unit).toBe('ms');
    expect([...costs]).toEqual([0, 5, ...Array(7).fill(6), ...Array(8).fill(6), ...Array(4).fill(9)]);
    expect(raised).toEqual([{ size: 16, from: 4, to: 6 }]);
  });

  it('do not depend on the order of rows, and take the least of a repeated size', async () => {
    const shuffled = '\uFEFFlabel, num_tokens ,layer_ms\r\nx,16,4\r\n\r\nx,32,9\r\nx,8,7\r\nx,1,5\r\nx,8,6\r\n';
    expect((await read(shuffled, { maxSize: 32 })).costs).toEqual((await read(table, { maxSize: 32 })).costs);
  });

  it('are those of one tensor parallel size', async () => {
    const two = 'tensor_parallel,num_tokens,layer_ms\n1,8,4\n2,8,3\n';
    expect((await read(two, { maxSize: 8, tensorParallelSize: 2 })).costs[1]).toBe(3);
    await expect(read(two, { maxSize: 8 })).rejects.toMatchObject(refused(/rows of 1, 2; choose one/));
    const four = read(two, { maxSize: 8, tensorParallelSize: 4 });
    await expect(four).rejects.toMatchObject(refused(/is 4, and the table has rows of 1, 2/));
    const unsaid = read(table, { maxSize: 8, tensorParallelSize: 2 });
    await expect(unsaid).rejects.toMatchObject(refused(/does not say.*leave tensorParallelSize out/));
  });

  it("sum up the operators of Vidur's profile but the embedding", async () => {
    const columns = ['emb.median', 'add.min', 'add.median', 'mlp_up_proj.median'].map((name) => `time_stats.${name}`);
    const text = `${columns.join(',')},use_gated_mlp,num_tokens,num_tensor_parallel_workers\n9,9,0.25,1.5,True,64,4\n`;
    expect((await read(text, { maxSize: 64 })).costs[64]).toBe(1.75);
  });

  it.each([
    ['', /empty/],
    ['num_tokens,time\n', /a header and no rows/],
    ['tokens,time\n1,1\n', /:1: the columns are "tokens,time"/],
    ['num_tokens,time,layer_ms\n1,1,1\n', /the columns are/],
    ['num_tokens,time\n1,1\n4,-2\n', /:3: time must be a time, not negative, found "-2"/],
    ['num_tokens,time\n1,1\n\n4,\n', /:4: time must be/],
    ['num_tokens,time\n4,0\n', /:2: time must be more than 0/],
    ['num_tokens,time\n0,1\n', /:2: num_tokens must be a whole number of at least 1, found "0"/],
    ['num_tokens,time\n1,1,1\n', /:2: the row must be 2 fields/],
    ['num_tokens,time\n"1,1\n', /well-formed CSV/],
    [table, /ends at 32 tokens, below the largest size 64; measure up to it/],
  ])('are refused: %j', async (text, message) => {
    await expect(read(text, { maxSize: 64 })).rejects.toMatchObject(refused(message));
  });

  it('are refused for sizes that none can be', async () => {
    const code = 'ERR_CONFIG_INVALID';
    await expect(read(table, { maxSize: 0 })).rejects.toMatchObject({ code });
    await expect(read(table, { maxSize: 8, tensorParallelSize: 0.5 })).rejects.toMatchObject({ code });
    expect(() => tokenCosts(0)).toThrow(expect.objectContaining({ code }));
  });
});

describe('costs in tokens', () => {
  it('are the sizes', () => {
    expect([...tokenCosts(3).costs]).toEqual([0, 1, 2, 3]);
  });
});

describe('the roofline', () => {
  it('is bound by memory below the ridge and by arithmetic above it', () => {
    const { costs } = rooflineCosts({ gpu: 'h100', model: 'llama-3-405b', maxSize: 8192 });
    // 3.19 billion weights a layer, 2 bytes each, at 3.35 TB/s: 1.90 ms; 4 + 5 kernels of 2 us.
    const weights = 16384 * 18432 + 16384 * 16384 + 3 * 16384 * 53248;
    expect(costs[1] / 126).toBeCloseTo((weights * 2) / 3.35e9 + 9 * 0.002, 3);
    // At least 2 FLOP a weight and token, at 989 TFLOP/s.
    const arithmetic = (8192 * weights * 2) / 989e9;
    expect(costs[8192] / 126).toBeGreaterThan(arithmetic);
    expect(costs[8192] / 126).toBeLessThan(1.25 * arithmetic);
  });

  it('never falls, and leaps by far the most where a tile begins, for every GPU and model', () => {
    for (const gpu of Object.keys(GPUS) as GpuName[]) {
      for (const model of Object.keys(MODELS) as ModelName[]) {
        const { costs } = rooflineCosts({ gpu, model, tensorParallelSize: 4, maxSize: 2048 });
        const steps = costs.slice(2).map((cost, i) => cost - costs[i + 1]);
        expect(Math.min(...steps)).toBeGreaterThanOrEqual(0);
        const most = steps.indexOf(Math.max(...steps)) + 2;
        expect(most % 128).toBe(1);
      }
    }
  });

  it('takes a GPU and a model of its own, and refuses what it does not know, all at once', () => {
    const gpu = { teraFlops: 100, teraBytesPerSecond: 0.5, multiprocessors: 10 };
    const own = rooflineCosts({ gpu, model: MODELS['phi-2'], maxSize: 4 });
    expect(own.costs[4]).toBeGreaterThan(rooflineCosts({ gpu: 'a100', model: 'phi-2', maxSize: 4 }).costs[4]);
    const faulty = { gpu: 'h1000', model: { layers: 1 }, tensorParallelSize: 0, maxSize: 4 };
    expect(() => rooflineCosts(faulty as never)).toThrow(
      expect.objectContaining({
        code: 'ERR_CONFIG_INVALID',
        message: expect.stringMatching(
          /gpu is "h1000"; it must be one of a100.*model.hiddenSize is missing.*tensorPar/s,
        ),
      }),
    );
    const odd = { gpu: 'a100', model: 'phi-2', tensorParallelSize: 3, maxSize: 4 } as const;
    expect(() => rooflineCosts(odd)).toThrow(/must divide the model's 32 heads/);
  });
});

/** docs/plan.md shows these. */
const MEASURED: readonly (readonly [file: string, gpu: GpuName, model: ModelName])[] = [
  ['a100-llama-2-7b-hf', 'a100', 'llama-2-7b'],
  ['a100-meta-llama-3-8b', 'a100', 'llama-3-8b'],
  ['a100-meta-llama-3-70b', 'a100', 'llama-3-70b'],
  ['h100-phi-2', 'h100', 'phi-2'],
  ['h100-llama-2-7b-hf', 'h100', 'llama-2-7b'],
  ['h100-codellama-34b-instruct-hf', 'h100', 'codellama-34b'],
  ['h100-llama-2-70b-hf', 'h100', 'llama-2-70b'],
];

describe.skipIf(profilesAbsent)('the roofline against measured profiles', () => {
  it.each(MEASURED)('%s', async (file, gpu, model) => {
    const told: string[] = [];
    for (const tensorParallelSize of file === 'h100-phi-2' ? [1] : [1, 2, 4, 8]) {
      const maxSize = 512;
      const measured = await readCostTable(path.join(profiles, `${file}.csv`), { maxSize, tensorParallelSize });
      const roofline = rooflineCosts({ gpu, model, tensorParallelSize, maxSize });
      const ratios = [...measured.costs.slice(1)]
        .map((cost, i) => roofline.costs[i + 1] / MODELS[model].layers / cost)
        .sort((a, b) => a - b);
      // What a ladder of 16 graphs loses that was chosen by the roofline, where each size comes as often.
      const counts = new Float64Array(maxSize + 1).fill(1, 1);
      const chosen = (await optimiseLadder({ counts, costs: roofline.costs })).atMost(16);
      const best = (await optimiseLadder({ counts, costs: measured.costs })).atMost(16);
      const lost = scoreLadder(counts, measured.costs, chosen?.sizes ?? []).ratio - (best?.ratio ?? 0);
      const percent = (ratio: number): string => `${(100 * ratio).toFixed(1)} %`;
      told.push(
        `TP ${tensorParallelSize}: ${percent(ratios[0])}, ${percent(ratios[256])}, ${percent(ratios[511])} of measured (least, median, most); lost ${percent(lost)}`,
      );
      expect(ratios[256]).toBeGreaterThan(0.65);
      expect(ratios[256]).toBeLessThan(1.2);
      expect(ratios[0]).toBeGreaterThan(0.5);
      expect(ratios[511]).toBeLessThan(2.25);
      expect(lost).toBeLessThan(0.05);
    }
    console.log(`${file}\n  ${told.join('\n  ')}`);
  });
});
