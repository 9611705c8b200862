import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

/** What a program of its own finds when it opens the host device with these variables. */
function opening(variables: NodeJS.ProcessEnv): { name?: string; code?: string; message?: string; variable?: string } {
  const program = `
    import { openDevice } from 'lockstep';
    import { loadNative } from 'lockstep/native';
    try {
      openDevice({ device: 'host' }).dispose();
      console.log(JSON.stringify({ name: loadNative().cpuKernels().name }));
    } catch ({ code, message, details }) {
      console.log(JSON.stringify({ code, message, variable: details.variable }));
    }`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
    encoding: 'utf8',
    env: { ...process.env, ...variables },
  });
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout);
}

test('the host device opens with the instruction set that LOCKSTEP_CPU names, and refuses one that it does not have', () => {
  const least = process.arch === 'x64' ? 'v2' : 'base';
  expect(opening({ LOCKSTEP_CPU: least })).toEqual({ name: least });
  expect(opening({ LOCKSTEP_CPU: 'fastest' })).toEqual({
    code: 'ERR_CONFIG_INVALID',
    message: expect.stringMatching(
      /^LOCKSTEP_CPU is "fastest": this processor runs \w+.*; give one of them, or unset it/,
    ),
    variable: 'LOCKSTEP_CPU',
  });
});

test('LOCKSTEP_THREADS is a number of threads from 1 on', () => {
  expect(opening({ LOCKSTEP_THREADS: '1' })).toHaveProperty('name');
  expect(opening({ LOCKSTEP_THREADS: '1000' })).toHaveProperty('name');
  for (const value of ['0', '-2', 'all', '1.5']) {
    expect(opening({ LOCKSTEP_THREADS: value })).toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      message: expect.stringContaining(`LOCKSTEP_THREADS is "${value}"`),
      variable: 'LOCKSTEP_THREADS',
    });
  }
});
