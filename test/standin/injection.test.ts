import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { injectEverywhere } from '../support/injection.js';
import { buildProgram, buildStandins } from './build.mjs';

const built = { program: '', libraries: '' };
beforeAll(() => {
  built.program = buildProgram('job');
  built.libraries = buildStandins();
});

describe.each([
  ['cuda', 'libcuda.so.1', 'cu'],
  ['hip', 'libamdhip64.so.6', 'hip'],
])('%s', (api, file, prefix) => {
  const job = (how: readonly string[]) => ({
    command: built.program,
    args: [path.join(built.libraries, file), api, ...how],
    env: {},
  });
  const typed = /^(?:\w+ (?:gave )?(?:999|719)|lost)$/;

  it.each([
    { code: 999, sticky: false },
    { code: 719, sticky: true },
  ])('finds nothing wrong with a job that lets go of what it holds, for %j', async (failure) => {
    const { injections, findings } = await injectEverywhere(job([]), { ...failure, typed });
    expect(findings).toEqual([]);
    const symbols = new Set(injections.map(({ symbol }) => symbol));
    expect(symbols.size).toBeGreaterThan(20);
    expect([...symbols].every((symbol) => symbol.startsWith(prefix))).toBe(true);
    expect(injections.length).toBeGreaterThan(50);
  });

  it('finds what a careless job leaves behind', async () => {
    const { findings } = await injectEverywhere(job(['careless']), { code: 999, sticky: false, typed });
    expect(findings[0]?.problem).toContain('held at the end');
  });
});
