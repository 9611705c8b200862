import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildNativeProgram } from '../../support/native-program.js';

let program: ReturnType<typeof buildNativeProgram>;
beforeAll(() => {
  program = buildNativeProgram('stream-help.cc');
});
afterAll(() => program.remove());

const run = (how: string, thread: 'main' | 'worker'): string[] =>
  execFileSync(program.path, [how, thread], { encoding: 'utf8', timeout: 60_000 }).trimEnd().split('\n');

/**
 * Whoever is to wait may lose its core before it does. The stream's thread then finds a command at two checks in a row, 200 us
 * apart, and runs it: so of many runs one must go as expected, and all must run the same commands in order.
 */
const expectOnce = (how: string, expected: string[]) => {
  const order = expected.map((line) => line[0]);
  for (let tries = 1; ; tries++) {
    const lines = run(how, 'worker');
    expect(lines.map((line) => line[0])).toEqual(order);
    if (lines.join() === expected.join()) return;
    if (tries === 50) expect(lines).toEqual(expected);
  }
};

describe('a command of a host stream is run', () => {
  it('by who waits for it off the main thread', () => {
    expectOnce('short', ['1 by who waits', '2 by who waits']);
  });

  it('by the stream’s thread where the main thread waits, whose event loop must not stand still', () => {
    expect(run('short', 'main')).toEqual(['1 by the stream', '2 by the stream']);
  });

  it('by the stream’s thread where nobody knows how long it takes', () => {
    expect(run('unknown', 'worker')).toEqual(['1 by the stream']);
  });

  it('as a graph by who waits, unless a node of it may take long', () => {
    expectOnce('graph', [...['1 by who waits', '2 by who waits'], ...['1 by the stream', '2 by the stream']]);
  });

  it.each(['nobody waits', 'another thread waits'])('by the stream’s thread where %s', (how) => {
    expect(run(how, 'worker')).toEqual(['1 by the stream']);
  });
});

it.each(['each other', 'each other, unknown'])('two streams that need %s finish, in order', (how) => {
  for (const thread of ['worker', 'main'] as const) expect(run(how, thread)).toEqual(['900 commands in order']);
});
