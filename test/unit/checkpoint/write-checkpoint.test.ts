import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { narrow, widen } from '../../../dist/checkpoint/float-formats.js';
import {
  type Checkpoint,
  openCheckpoint,
  type RandomModelOptions,
  randomCheckpoint,
  tensorShapes,
  writeCheckpoint,
} from '../../../dist/checkpoint/index.js';
import { LockstepError } from '../../../dist/errors.js';
import { runs } from '../../support/property-runs.js';

const work = mkdtempSync(path.join(tmpdir(), 'lockstep-write-'));
afterAll(() => rmSync(work, { recursive: true }));

let folders = 0;
const vacant = (): string => path.join(work, String(folders++), 'model');

/** Bits of every tensor that a model must have. */
function bitsOf(checkpoint: Checkpoint): Map<string, number[]> {
  return new Map(
    [...tensorShapes(checkpoint.config)].map(([name, shape]) => [
      name,
      [...new Uint32Array(checkpoint.tensor(name, shape).buffer)],
    ]),
  );
}

/** What a tensor is after a file of that format. */
function converted(bits: readonly number[], dtype: 'F32' | 'F16' | 'BF16'): number[] {
  if (dtype === 'F32') return [...bits];
  const words = new Uint16Array(bits.length);
  const back = new Uint32Array(bits.length);
  narrow(dtype, Uint32Array.from(bits), words);
  widen(dtype, words, back);
  return [...back];
}

const sizes = fc.record({
  kind: fc.constantFrom('dense', 'moe'),
  seed: fc.nat(),
  layers: fc.integer({ min: 1, max: 3 }),
  kvHeads: fc.integer({ min: 1, max: 2 }),
  group: fc.integer({ min: 1, max: 3 }),
  headDim: fc.constantFrom(2, 4),
  hiddenSize: fc.integer({ min: 1, max: 9 }),
  intermediateSize: fc.integer({ min: 1, max: 9 }),
  vocabSize: fc.integer({ min: 3, max: 17 }),
  tiedEmbeddings: fc.boolean(),
  slidingWindow: fc.option(fc.integer({ min: 1, max: 9 })),
  windows: fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
  scaled: fc.boolean(),
  eosTokenIds: fc.uniqueArray(fc.nat(2), { maxLength: 3 }),
});

/** A small model of any form. */
const models: fc.Arbitrary<RandomModelOptions> = sizes.map(
  ({ kind, group, windows, scaled, slidingWindow, ...options }) => {
    const layerWindows = windows.slice(0, options.layers).map((windowed) => (windowed ? (slidingWindow ?? 0) : 0));
    const ropeScaling = {
      kind: 'llama3',
      factor: 2,
      lowFreqFactor: 1,
      highFreqFactor: 4,
      originalMaxPositions: 16,
    } as const;
    return {
      ...options,
      kind: kind as 'dense' | 'moe',
      heads: options.kvHeads * group,
      layerWindows,
      ...(scaled ? { ropeScaling } : {}),
    };
  },
);
const dtypes = fc.constantFrom('F32', 'F16', 'BF16') as fc.Arbitrary<'F32' | 'F16' | 'BF16'>;

describe('a checkpoint that was written', () => {
  test('is read as it was, rounded to its format, from as many files as were asked for', () => {
    fc.assert(
      fc.property(models, dtypes, fc.integer({ min: 1, max: 12 }), (options, dtype, most) => {
        const checkpoint = randomCheckpoint(options);
        const shards = Math.min(most, checkpoint.names.length);
        const directory = vacant();
        writeCheckpoint(directory, checkpoint, { dtype, shards });
        const read = openCheckpoint(directory);
        expect(read.config).toEqual(checkpoint.config);
        expect([...read.names].sort()).toEqual([...checkpoint.names].sort());
        for (const [name, bits] of bitsOf(checkpoint)) {
          expect(read.dtypeOf(name)).toBe(dtype);
          expect(bitsOf(read).get(name)).toEqual(converted(bits, dtype));
        }
        const files = readdirSync(directory).filter((name) => name.endsWith('.safetensors'));
        expect(files).toHaveLength(shards);
        expect(existsSync(path.join(directory, 'model.safetensors.index.json'))).toBe(shards > 1);
        rmSync(path.dirname(directory), { recursive: true });
      }),
      runs(200),
    );
  });

  test('has shards of about one size', () => {
    const directory = vacant();
    writeCheckpoint(directory, randomCheckpoint({ kind: 'dense', layers: 8 }), { shards: 4 });
    const bytes = readdirSync(directory)
      .filter((name) => name.endsWith('.safetensors'))
      .map((name) => readFileSync(path.join(directory, name)).length);
    expect(bytes).toHaveLength(4);
    expect(Math.max(...bytes)).toBeLessThan(2 * Math.min(...bytes));
  });

  test('keeps what a folder holds: one with a model is refused', () => {
    const directory = vacant();
    writeCheckpoint(directory, randomCheckpoint({ kind: 'dense' }));
    const before = readFileSync(path.join(directory, 'model.safetensors'));
    expect(() => writeCheckpoint(directory, openCheckpoint(directory), { dtype: 'F16' })).toThrow(
      expect.objectContaining({ code: 'ERR_INPUT_INVALID', message: expect.stringContaining('holds') }),
    );
    expect(readFileSync(path.join(directory, 'model.safetensors')).equals(before)).toBe(true);
  });

  test('leaves nothing behind where it cannot be written whole', () => {
    const checkpoint = randomCheckpoint({ kind: 'dense' });
    const broken: Checkpoint = {
      ...checkpoint,
      tensor: (name, shape) => {
        if (name === 'model.norm.weight') throw new LockstepError('ERR_MODEL_INVALID', 'cut off');
        return checkpoint.tensor(name, shape);
      },
    };
    const directory = vacant();
    expect(() => writeCheckpoint(directory, broken, { shards: 3 })).toThrow('cut off');
    expect(readdirSync(directory)).toEqual([]);
    writeFileSync(path.join(work, 'file'), '');
    expect(() => writeCheckpoint(path.join(work, 'file', 'model'), checkpoint)).toThrow(
      expect.objectContaining({ code: 'ERR_INPUT_INVALID' }),
    );
  });

  test.each([
    [{ dtype: 'F64' as 'F32' }, 'dtype'],
    [{ shards: 0 }, 'shards'],
    [{ shards: 1000 }, 'shards'],
    [{ size: 1 } as object, 'size'],
  ])('has no options like %j', (options, name) => {
    expect(() => writeCheckpoint(vacant(), randomCheckpoint({ kind: 'dense' }), options)).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG_INVALID', message: expect.stringContaining(name) }),
    );
  });
});

describe('a checkpoint with one byte changed, or cut off anywhere', () => {
  const TINY = {
    kind: 'dense',
    layers: 1,
    hiddenSize: 4,
    intermediateSize: 2,
    heads: 1,
    kvHeads: 1,
    vocabSize: 3,
  } as const;
  const checkpoint = randomCheckpoint(TINY);
  const directory = vacant();
  writeCheckpoint(directory, checkpoint, { shards: 2, dtype: 'F16' });
  const intact = bitsOf(openCheckpoint(directory));
  const FIRST = 'model-00001-of-00002.safetensors';
  /** Bytes of a file that are no weights. */
  const headed = (name: string, bytes: Buffer): number =>
    name === FIRST ? 8 + Number(bytes.readBigUInt64LE(0)) : bytes.length;

  test.each([FIRST, 'model.safetensors.index.json', 'config.json'])('%s is refused, or means what it did', (name) => {
    const file = path.join(directory, name);
    const bytes = readFileSync(file);
    let refusals = 0;
    const attempt = (damaged: Uint8Array): void => {
      writeFileSync(file, damaged);
      try {
        const read = openCheckpoint(directory);
        const bits = bitsOf(read);
        // A config of other numbers is a config; weights are never other ones.
        if (name !== 'config.json') expect(bits).toEqual(intact);
        else for (const [tensor, values] of bits) expect(values).toEqual(intact.get(tensor));
      } catch (error) {
        if (!(error instanceof LockstepError)) throw error;
        expect(error.code).toBe('ERR_MODEL_INVALID');
        refusals++;
      }
    };
    try {
      fc.assert(
        fc.property(fc.nat(headed(name, bytes) - 1), fc.nat(255), fc.boolean(), (at, value, cut) => {
          attempt(cut ? bytes.subarray(0, at) : Buffer.from(bytes).fill(value, at, at + 1));
        }),
        runs(1500),
      );
    } finally {
      writeFileSync(file, bytes);
    }
    expect(refusals).toBeGreaterThan(0);
  });
});
