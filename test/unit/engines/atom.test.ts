import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AtomAdapter, type AtomStep, createAtomAdapter } from '../../../dist/engines/index.js';
import { runs } from '../../support/property-runs.js';

const captureSizes = [1, 2, 4, 8, 16, 32, 48];

describe('ATOM forward mode', () => {
  let adapter: AtomAdapter;
  let eager: AtomAdapter;
  beforeAll(async () => {
    adapter = await createAtomAdapter({ captureSizes, maxNumSeqs: 96 });
    eager = await createAtomAdapter({ captureSizes, maxNumSeqs: 96, enforceEager: true });
  });
  afterAll(() => {
    adapter.dispose();
    eager.dispose();
  });

  const decode: AtomStep = {
    isPrefill: false,
    numRequests: 33,
    paddedTokensAcrossRanks: 33,
    uniformDecodeAcrossRanks: true,
  };

  test('33 decodes run the graph of 48, attention and MoE alike', () => {
    expect(adapter.forwardMode(decode)).toEqual({ useGraph: true, attentionBatch: 48, moePadBatch: 48 });
  });

  test('eager by force, the attention stays local and the MoE gather stays padded', () => {
    expect(eager.forwardMode({ ...decode, paddedTokensAcrossRanks: 40 })).toEqual({
      useGraph: false,
      attentionBatch: 33,
      moePadBatch: 40,
    });
  });

  test('a prefill on a peer makes both sizes local', () => {
    expect(adapter.forwardMode({ ...decode, uniformDecodeAcrossRanks: false })).toEqual({
      useGraph: false,
      attentionBatch: 33,
      moePadBatch: 33,
    });
  });

  test('a rank alone with a prefill runs eager although it says uniform', () => {
    expect(adapter.forwardMode({ ...decode, isPrefill: true })).toEqual({
      useGraph: false,
      attentionBatch: 33,
      moePadBatch: 33,
    });
  });

  test('follows the engine rule for any agreed facts, step after step on one adapter', () => {
    const steps = fc.record({
      isPrefill: fc.boolean(),
      numRequests: fc.integer({ min: 1, max: 60 }),
      more: fc.integer({ min: 0, max: 36 }),
      uniform: fc.boolean(),
      enforceEager: fc.boolean(),
    });
    fc.assert(
      fc.property(steps, ({ isPrefill, numRequests, more, uniform, enforceEager }) => {
        const agreed = numRequests + more;
        const found = (enforceEager ? eager : adapter).forwardMode({
          isPrefill,
          numRequests,
          paddedTokensAcrossRanks: agreed,
          uniformDecodeAcrossRanks: uniform,
        });
        const captured = captureSizes.find((size) => size >= agreed);
        if (isPrefill || !uniform)
          expect(found).toEqual({ useGraph: false, attentionBatch: numRequests, moePadBatch: numRequests });
        else if (enforceEager || captured === undefined)
          expect(found).toEqual({ useGraph: false, attentionBatch: numRequests, moePadBatch: agreed });
        else expect(found).toEqual({ useGraph: true, attentionBatch: captured, moePadBatch: captured });
      }),
      runs(100),
    );
  });

  test('facts that contradict each other are refused, and the adapter goes on', () => {
    const refused = expect.objectContaining({ code: 'ERR_CONFIG_INVALID' });
    expect(() => adapter.forwardMode({ ...decode, paddedTokensAcrossRanks: 32 })).toThrowError(refused);
    expect(() => adapter.forwardMode({ ...decode, numRequests: 0 })).toThrowError(refused);
    expect(() => adapter.forwardMode({ ...decode, paddedTokensAcrossRanks: 97 })).toThrowError(refused);
    expect(adapter.forwardMode(decode).useGraph).toBe(true);
  });

  test('a disposed adapter says so', async () => {
    const gone = await createAtomAdapter({ captureSizes: [1] });
    gone.dispose();
    expect(() => gone.forwardMode({ ...decode, numRequests: 1, paddedTokensAcrossRanks: 1 })).toThrowError(
      expect.objectContaining({ code: 'ERR_DISPOSED' }),
    );
  });
});
