import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { nativeMetadata } from '../../../dist/entry/native.js';
import { createPlanner, type PlannerOptions } from '../../../dist/entry/planner.js';
import { loadModules } from '../../../dist/memory/modules.js';
import { loadNative } from '../../../dist/native/index.js';
import { devicePort } from '../../../dist/planner/index.js';

const dist = path.resolve(import.meta.dirname, '../../../dist/memory');

async function slotOf(options: PlannerOptions): Promise<bigint> {
  const planner = await createPlanner({ ...options, limits: { blockSize: 8 } });
  const row = planner.requests.add({ blockIds: [5], numComputedTokens: 6 });
  planner.requests.schedule(row, { phase: 'decode', queryLen: 1 });
  return planner.build(planner.resolve(planner.vote())).tensors.slotMapping[0];
}

describe('the metadata module', () => {
  it.each([
    ['auto', {}],
    ['SIMD', { simd: 'on' }],
    ['scalar', { simd: 'off' }],
    ['native', { wasm: { metadata: nativeMetadata() } }],
  ] as [string, PlannerOptions][])('plans as %s', async (_name, options) => {
    expect(await slotOf(options)).toBe(46n);
  });

  it('is another one where SIMD is off: it validates without it', async () => {
    const [on, off, auto] = await Promise.all([loadModules({}, 'on'), loadModules({}, 'off'), loadModules()]);
    expect(on.metadata).not.toBe(off.metadata);
    expect(auto.metadata).toBe(on.metadata);
    // Opcode 0xfd begins every SIMD instruction; the type of its values is 0x7b.
    const vectors = (name: string): number =>
      readFileSync(path.join(dist, name)).filter((byte, at, bytes) => byte === 0xfd && bytes[at + 1] === 0x0b).length;
    expect(vectors('metadata.wasm')).toBeGreaterThan(20);
    expect(vectors('metadata-scalar.wasm')).toBeLessThan(3);
  });

  it('is compiled again where it could not be read before, and once where it could', async () => {
    const fresh = '../../../dist/memory/modules.js?fresh';
    const { loadModules } = (await import(fresh)) as typeof import('../../../dist/memory/modules.js');
    const compile = vi.spyOn(WebAssembly, 'compile').mockRejectedValueOnce(new Error('out of memory'));
    try {
      await expect(loadModules()).rejects.toThrow('out of memory');
      const { rules } = await loadModules();
      expect(await loadModules()).toMatchObject({ rules });
      expect(compile).toHaveBeenCalledTimes(3);
    } finally {
      compile.mockRestore();
    }
  });

  it('refuses another choice than auto, on and off', async () => {
    await expect(createPlanner({ simd: 'yes' as 'on' })).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      message: expect.stringContaining('simd is "yes"'),
    });
  });

  it('as native, refuses memory that is laid out for no planner, and arguments that are no integers', async () => {
    const addon = loadNative();
    const refused = (memory: unknown): unknown => {
      try {
        return addon.bindMetadata(memory as Uint8Array);
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    for (const memory of [
      undefined,
      5,
      new Uint8Array(10),
      new Uint8Array(1 << 20),
      new Uint8Array(1 << 20).fill(0xff),
    ]) {
      expect(refused(memory)).toBe('ERR_INPUT_INVALID');
    }
    const planner = await createPlanner();
    expect(refused(new Int32Array(devicePort(planner).arena.buffer as ArrayBuffer))).toBe('ERR_INPUT_INVALID');
    const metadata = addon.bindMetadata(devicePort(planner).arena);
    expect(() => metadata.state_add('x' as unknown as number, 0)).toThrow(/32-bit integer/);
    expect(() => metadata.state_add()).toThrow(/32-bit integer/);
  });

  it('as native, refuses memory that was transferred after it was bound', async () => {
    const planner = await createPlanner({ limits: { maxNumSeqs: 2, maxNumBatchedTokens: 8, maxModelLen: 64 } });
    const copy = devicePort(planner).arena.slice();
    const metadata = loadNative().bindMetadata(copy);
    metadata.state_init();
    structuredClone(copy.buffer, { transfer: [copy.buffer as ArrayBuffer] });
    expect(() => metadata.state_init()).toThrow(/is gone/);
  });
});
