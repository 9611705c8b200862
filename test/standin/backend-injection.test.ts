import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { root } from '../support/cli.js';
import { injectEverywhere } from '../support/injection.js';
import { buildStandins } from './build.mjs';

let libraries = '';
beforeAll(() => {
  libraries = buildStandins();
});

/** A wait that a failure of these leaves without its event lasts until its deadline; and some failures of these are passed over. */
const UNSETTLED = /EventCreate|ExchangeStreamCaptureMode|CtxSetCurrent/;
/**
 * Where these fail, the backend gives the device up, and with it what it holds, even for a code that leaves the context alive; and
 * what loading the driver found is kept for the process.
 */
const GIVEN_UP = /Init$|Version|GetCount|Free|Destroy|Unload|DtoH|Event|EndCapture|GraphGetNodes/;

describe('the cuda backend', () => {
  const job = () => ({
    command: process.execPath,
    args: [path.join(root, 'test/fixtures/device/twice.mjs'), 'cuda'],
    env: { LOCKSTEP_CUDA_LIB: path.join(libraries, 'libcuda.so.1') },
  });

  it('makes no call after a fault, whichever call reports it', async () => {
    const options = { code: 719, sticky: true, typed: /^ERR_/, skip: UNSETTLED };
    const { injections, findings } = await injectEverywhere(job(), options);
    // How often marks are queried follows the time that work takes. A query at a device's end has no caller left to throw to.
    const unseen = ({ symbol, problem }: { symbol: string; problem: string }): boolean =>
      symbol === 'cuEventQuery' && problem === 'the failure went unseen';
    expect(findings.filter((finding) => !unseen(finding))).toEqual([]);
    expect(new Set(injections.map(({ symbol }) => symbol)).size).toBeGreaterThan(30);
  });

  it('holds nothing after a failure that passes, and goes on in the same process', async () => {
    const skip = new RegExp(`${UNSETTLED.source}|${GIVEN_UP.source}`);
    const { injections, findings } = await injectEverywhere(job(), { code: 2, sticky: false, typed: /^ERR_/, skip });
    expect(findings).toEqual([]);
    expect(new Set(injections.map(({ symbol }) => symbol)).size).toBeGreaterThan(15);
  });
});
