import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadNative } from '../../dist/native/index.js';
import { root } from '../support/cli.js';
import { type InjectionResult, injectEverywhere } from '../support/injection.js';
import { buildStandins } from './build.mjs';

const HIPRTC = 'libamdhip64.so.5';
const HAS_HIPRTC = loadNative().probeLibrary(HIPRTC) === null;
/** Where the driver does not pin or map an arena, copies take a way round; HIP's own version is for doctor alone. */
const WAY_ROUND = /HostRegister|HostGetDevicePointer|RuntimeGetVersion/;

let libraries = '';
let cache = '';
beforeAll(() => {
  libraries = buildStandins();
  cache = mkdtempSync(path.join(tmpdir(), 'lockstep-injection-hip-'));
});
afterAll(() => rmSync(cache, { recursive: true, force: true }));

const KINDS = [
  { kind: 'cuda', serves: true, dense: 6, environment: () => ({}) },
  {
    kind: 'hip',
    serves: HAS_HIPRTC,
    dense: 3,
    environment: () => ({
      LOCKSTEP_STANDIN_ARCH: 'gfx90a',
      LOCKSTEP_HIP_ARCH: 'gfx90a',
      LOCKSTEP_HIPRTC_LIB: HIPRTC,
      LOCKSTEP_CACHE: cache,
    }),
  },
] as const;

for (const { kind, serves, dense, environment } of KINDS) {
  describe.skipIf(!serves)(`the ${kind} backend`, () => {
    /** On each of the devices in turn. */
    const inject = (devices: readonly string[], failure: { code: number; sticky: boolean }): Promise<InjectionResult> =>
      injectEverywhere(
        {
          command: process.execPath,
          args: [path.join(root, 'test/fixtures/device/twice.mjs'), ...devices],
          env: {
            LOCKSTEP_CUDA_LIB: path.join(libraries, 'libcuda.so.1'),
            LOCKSTEP_HIP_LIB: path.join(libraries, 'libamdhip64.so.6'),
            LOCKSTEP_STANDIN_DEVICES: '2',
            ...environment(),
          },
        },
        { ...failure, typed: /^ERR_/, wayRound: WAY_ROUND, dense },
      );

    it('makes no call after a fault, lists what it gives up, and works on another card, whichever call reports it', async () => {
      const { injections, findings } = await inject([`${kind}:0`, `${kind}:1`], { code: 719, sticky: true });
      expect(findings).toEqual([]);
      expect(new Set(injections.map(({ symbol }) => symbol)).size).toBeGreaterThan(38);
    });

    it('holds nothing after a failure that passes, and goes on in the same process', async () => {
      const { injections, findings } = await inject([kind], { code: 2, sticky: false });
      expect(findings).toEqual([]);
      expect(new Set(injections.map(({ symbol }) => symbol)).size).toBeGreaterThan(38);
    });
  });
}
