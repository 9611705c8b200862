import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { gridOf, leastBytes } from '../../../dist/device/kernel-files/launch-sizes.js';
import { parseManifest } from '../../../dist/device/kernel-files/manifest.js';
import { parseTriton } from '../../../dist/device/kernel-files/triton.js';
import { errorOf } from '../../support/device-fixture.js';

const folder = path.resolve(import.meta.dirname, '../../fixtures/device/kernel-files');
const read = (name: string): string => readFileSync(path.join(folder, name), 'utf8');
/** A fixture with other fields; undefined takes one out. */
const altered = (name: string, fields: Readonly<Record<string, unknown>>): string =>
  JSON.stringify({ ...JSON.parse(read(name)), ...fields });

describe("Triton's file", () => {
  it('of 3.0 says block, shared memory and target', () => {
    expect(parseTriton(read('rms_norm_kernel.json'), 'cache/rms_norm_kernel.json')).toEqual({
      symbol: 'rms_norm_kernel',
      image: 'rms_norm_kernel.cubin',
      target: { backend: 'cuda', arch: 'sm_80', warpSize: 32 },
      block: [256, 1, 1],
      sharedBytes: 64,
      cluster: [1, 1, 1],
      cooperative: false,
      scratch: [
        { bytes: 0, align: 1 },
        { bytes: 0, align: 1 },
      ],
    });
  });

  it('of 3.4 says clusters and scratch memory too', () => {
    expect(parseTriton(read('grouped_gemm.json'), 'grouped_gemm.json')).toMatchObject({
      block: [128, 1, 1],
      sharedBytes: 163840,
      cluster: [2, 1, 1],
      scratch: [
        { bytes: 384, align: 128 },
        { bytes: 0, align: 1 },
      ],
    });
  });

  it('of an AMD GPU has its warp size and its code object', () => {
    const target = { backend: 'hip', arch: 'gfx942', warp_size: 64 };
    const text = altered('rms_norm_kernel.json', { target, waves_per_eu: 0, kpack: 1, backend_name: 'hip' });
    expect(parseTriton(text, 'a/b.json')).toMatchObject({
      image: 'b.hsaco',
      target: { backend: 'hip', arch: 'gfx942', warpSize: 64 },
      block: [512, 1, 1],
    });
  });

  it('may state clusters by their number of blocks alone', () => {
    expect(parseTriton(altered('grouped_gemm.json', { cluster_dims: [1, 1, 1] }), 'x.json').cluster).toEqual([2, 1, 1]);
    expect(parseTriton(altered('grouped_gemm.json', { cluster_dims: undefined }), 'x.json').cluster).toEqual([2, 1, 1]);
    expect(parseTriton(altered('grouped_gemm.json', { num_ctas: undefined }), 'x.json').cluster).toEqual([2, 1, 1]);
  });

  it.each([
    [{ launch_in_waves: 3 }, 'launch_in_waves', 'is not a field that is known here'],
    [{ tensordesc_meta: [{ swizzle: 3 }] }, 'tensordesc_meta', 'asks for a launch that is not supported'],
    [{ num_consumer_groups: 2 }, 'num_consumer_groups', 'asks for a launch that is not supported'],
    [{ target: undefined }, 'target', 'is missing: compile the kernel with Triton 3.0 or newer'],
    [{ target: [90, 4] }, 'target', 'it must be an object'],
    [{ target: { backend: 'xpu', arch: 1, warp_size: 32 } }, 'target.backend', 'is "xpu"'],
    [{ warp_size: 64 }, 'warp_size', "is 64, the target's is 32"],
    [{ num_warps: 33 }, 'num_warps', 'from 1 to 32'],
    [{ shared: undefined }, 'shared', 'must be an integer from 0'],
    [{ cluster_dims: [2, 1] }, 'cluster_dims', 'three positive integers'],
    [{ num_ctas: 4 }, 'num_ctas', 'is 4, cluster_dims make it 2'],
    [{ launch_cooperative_grid: 1 }, 'launch_cooperative_grid', 'true or false'],
    [{ name: '' }, 'name', 'it must be a text'],
  ])('with %j is refused by the name of the field', (fields, field, words) => {
    const error = errorOf('ERR_INPUT_INVALID', () => parseTriton(altered('grouped_gemm.json', fields), 'dir/k.json'));
    expect(error.message).toContain(`dir/k.json: ${field} `);
    expect(error.message).toContain(words);
    expect(error.details).toMatchObject({ path: 'dir/k.json', field });
  });

  it('may hold a field that the caller says does not matter', () => {
    const text = altered('grouped_gemm.json', { launch_in_waves: 3 });
    expect(parseTriton(text, 'k.json', ['launch_in_waves']).block).toEqual([128, 1, 1]);
  });

  it('that is not JSON is refused', () => {
    expect(errorOf('ERR_INPUT_INVALID', () => parseTriton('{', 'k.json')).message).toMatch(/^k.json is not JSON/);
  });
});

describe('a manifest', () => {
  const [rmsNorm, scale] = parseManifest(read('kernels.json'), 'kernels.json');
  if (rmsNorm === undefined || scale === undefined) throw new RangeError('the fixture has two kernels');

  it("refers to Triton's file, or states a launch itself", () => {
    expect(rmsNorm.compiled).toEqual({ file: 'rms_norm_kernel.json', ignore: [] });
    expect(scale.compiled).toMatchObject({
      symbol: 'scale_f16',
      target: { backend: 'cuda', arch: 'sm_90a', warpSize: 32 },
      block: [128, 2, 1],
      sharedBytes: 1024,
      cluster: [1, 1, 1],
    });
  });

  it('gives least bytes and grids by the scalars of a launch', () => {
    expect(leastBytes(rmsNorm.arguments, { rows: 9, hidden: 64 })).toEqual([1152, 128, 1152, 0, 0]);
    const kernel = { ...rmsNorm, cluster: [2, 1, 1] as const };
    expect(gridOf(kernel, { rows: 9, hidden: 64 })).toEqual([6, 1, 1]);
    expect(gridOf({ ...scale, cluster: [1, 1, 1] }, { n: 1000n })).toEqual([4, 2, 1]);
    expect(gridOf({ ...scale, cluster: [1, 1, 1] }, { n: 0 })).toEqual([0, 2, 1]);
    expect(leastBytes(scale.arguments, { n: 2n ** 62n })).toEqual([Number.MAX_SAFE_INTEGER, 0]);
  });

  it('refuses at a launch what makes no count', () => {
    const kernel = { ...scale, cluster: [1, 1, 1] as const };
    expect(errorOf('ERR_LAUNCH_INVALID', () => gridOf(kernel, { n: -1 })).message).toContain('n is -1');
    expect(errorOf('ERR_LAUNCH_INVALID', () => gridOf(kernel, { n: 2n ** 50n })).details).toMatchObject({
      kernel: 'scale',
    });
  });

  it.each([
    [(m: Manifest) => ({ ...m, schemaVersion: 2 }), 'schemaVersion is 2; this version of Lockstep reads 1'],
    [(m: Manifest) => ({ ...m, schemaVersion: undefined }), 'schemaVersion is missing'],
    [(m: Manifest) => ({ ...m, more: 1 }), 'more is no field'],
    [(m: Manifest) => ({ ...m, kernels: [m.kernels[0], m.kernels[0]] }), 'kernels[1].name is "rms_norm"'],
    [with0({ block: [32, 1, 1] }), 'kernels[0].block is no field'],
    [with0({ grid: [1, 1] }), 'kernels[0].grid has 2 dimensions'],
    [with0({ grid: ['columns', 1, 1] }), 'kernels[0].grid[0] has "columns"; give integers and names of scalars'],
    [with0({ grid: [{ of: 'rows' }, 1, 1] }), 'kernels[0].grid[0] has of; a covering count has of and per'],
    [with0({ arguments: [{ name: 'x', kind: 'f32' }] }), 'kernels[0].arguments[0].kind is "f32"'],
    [
      with0({ arguments: [{ name: 'x', kind: 'in', elementBytes: 3, least: 1 }] }),
      'elementBytes is 3, no power of two',
    ],
    [with0({ arguments: [{ name: 'x', kind: 'in', elementBytes: 4, least: 'x' }] }), 'there is no scalar argument'],
    [with0({ triton: undefined, symbol: 's', image: 'i', target: 'sm90', block: [1, 1, 1] }), 'target is "sm90"'],
    [
      with0({ triton: undefined, symbol: 's', image: 'i', target: 'gfx942', block: [64, 64, 1] }),
      'block has 64 * 64 * 1',
    ],
  ])('is refused with the place of its mistake: %#', (change, words) => {
    const text = JSON.stringify(change(JSON.parse(read('kernels.json'))));
    const error = errorOf('ERR_INPUT_INVALID', () => parseManifest(text, 'm.json'));
    expect(error.message).toContain(words);
    expect(error.details.path).toBe('m.json');
  });
});

interface Manifest {
  readonly kernels: readonly Readonly<Record<string, unknown>>[];
}

/** The manifest with other fields in its first kernel. */
function with0(fields: Readonly<Record<string, unknown>>) {
  return (manifest: Manifest): unknown => ({
    ...manifest,
    kernels: [{ ...manifest.kernels[0], ...fields }, ...manifest.kernels.slice(1)],
  });
}
