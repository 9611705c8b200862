import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { hipKernels } from '../../dist/device/hip-kernels.js';
import { LockstepError } from '../../dist/errors.js';
import { loadNative } from '../../dist/native/index.js';

// The compiler is Debian's own, for real; nothing here runs what it made.
const HIPRTC = 'libamdhip64.so.5';
let cache: string;
beforeEach((context) => {
  if (loadNative().probeLibrary(HIPRTC) !== null) context.skip(`no ${HIPRTC}`);
  cache = mkdtempSync(path.join(tmpdir(), 'lockstep-hip-'));
  vi.stubEnv('LOCKSTEP_CACHE', cache);
  vi.stubEnv('LOCKSTEP_HIPRTC_LIB', HIPRTC);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(cache, { recursive: true, force: true });
});

function refused(arch: string): LockstepError {
  try {
    hipKernels(arch, null);
  } catch (error) {
    if (error instanceof LockstepError) return error;
    throw error;
  }
  throw new Error(`${arch} was compiled`);
}

describe('the kernels for a HIP card', () => {
  it('are compiled for its target, once', () => {
    const image = Buffer.from(hipKernels('gfx90a', null));
    expect(image.includes('lockstep_kv_write.kd')).toBe(true);
    const [file, ...others] = readdirSync(cache);
    expect(others).toEqual([]);
    expect(file).toMatch(/^gfx90a-[0-9a-f]{32}\.image$/);
    // No compiler is asked again, and there is none.
    vi.stubEnv('LOCKSTEP_HIPRTC_LIB', '/nowhere/libhiprtc.so');
    expect(image.equals(hipKernels('gfx90a', null))).toBe(true);
    // What is kept is of one target alone.
    expect(refused('gfx90a:xnack+').details).toMatchObject({ target: 'gfx90a:xnack+', library: null });
  });

  it('are compiled again where what was kept is not whole, and where nothing can be kept', () => {
    const image = Buffer.from(hipKernels('gfx90a', null));
    const file = path.join(cache, readdirSync(cache)[0]);
    truncateSync(file, 500);
    expect(image.equals(hipKernels('gfx90a', null))).toBe(true);
    expect(readFileSync(file)).toHaveLength(image.length + 32);
    writeFileSync(path.join(cache, 'no-folder'), '');
    vi.stubEnv('LOCKSTEP_CACHE', path.join(cache, 'no-folder'));
    expect(image.equals(hipKernels('gfx90a', null))).toBe(true);
  });

  it("are refused for a target that ends the compiler's process, and this process lives", () => {
    const error = refused('gfx942');
    expect(error.code).toBe('ERR_DEVICE_UNAVAILABLE');
    expect(error.details).toMatchObject({ target: 'gfx942', signal: 'SIGABRT' });
    expect(error.message).toMatch(/compiler ended with SIGABRT.*LOCKSTEP_HIP_IMAGE/);
    expect(readdirSync(cache)).toEqual([]);
  });

  it('are refused without a compiler, and for a card whose target is not known', () => {
    expect(refused('gfx9.0')).toMatchObject({
      code: 'ERR_DEVICE_UNAVAILABLE',
      message: expect.stringMatching(/LOCKSTEP_HIP_ARCH/),
    });
    vi.stubEnv('LOCKSTEP_HIPRTC_LIB', '/nowhere/libhiprtc.so');
    const error = refused('gfx90a');
    expect(error.message).toMatch(/there is no compiler \(\/nowhere\/libhiprtc\.so: .*name one in LOCKSTEP_HIPRTC_LIB/);
  });

  it('have the words of their compiler where it fails', () => {
    const made = loadNative().compileHip('extern "C" __global__ void k() { not_a_word; }', 'gfx90a', [
      '/nowhere.so',
      HIPRTC,
    ]);
    expect(made).toMatchObject({ code: null, library: HIPRTC });
    expect(made.log).toMatch(/hiprtcCompileProgram reported \d+.*use of undeclared identifier 'not_a_word'/s);
  });
});
