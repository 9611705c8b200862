import path from 'node:path';
import { expect, test } from 'vitest';
import { readSources, type Sources } from './borders.js';

const sources = readSources(path.resolve(import.meta.dirname, '../..'));

/** The rooms that a step, its agreement and its workload run through. A simulation runs them in a time of its own. */
const SIMULATED = [
  'layout',
  'policy',
  'keys',
  'memory',
  'batch',
  'agreement',
  'planner',
  'ranks',
  'runtime',
  'workload',
  'engines',
  'explain',
  'wait.ts',
];

/** What only the machine has: files in those rooms that may take time from it, and why. */
const OF_THE_MACHINE: Readonly<Record<string, string>> = {
  'ranks/threads/rank-worker.ts': 'terminates a thread that does not end',
  'ranks/mpi/link.ts': 'looks for processes of an MPI job that have ended',
  'ranks/mpi/world.ts': 'ends MPI when the process exits',
};

const CLOCKS =
  /\bDate\.now\b|\bnew Date\(\)|\bperformance\.|\bhrtime\b|\bset(Timeout|Interval|Immediate)\b|\bnextTick\b|\bqueueMicrotask\b|\bnode:timers|\bAtomics\.(wait|waitAsync|notify)\b|\bMath\.random\b|\bcrypto\b|\bSYSTEM_TIMING\.\w/;

/** Lines of code, comments aside, that take time, sleep or chance from the machine. */
function fromTheMachine(all: Sources): string[] {
  const found: string[] = [];
  for (const [file, text] of all) {
    if (!SIMULATED.includes(file.split('/')[0]) || file in OF_THE_MACHINE) continue;
    for (const [index, line] of text.split('\n').entries()) {
      if (!/^\s*(\/?\*|\/\/)/.test(line) && CLOCKS.test(line)) found.push(`${file}:${index + 1}: ${line.trim()}`);
    }
  }
  return found;
}

test('the rooms of a step take time, sleep and chance from what they are given', () => {
  expect(fromTheMachine(sources)).toEqual([]);
  for (const file of Object.keys(OF_THE_MACHINE)) expect(CLOCKS.test(sources.get(file) ?? ''), file).toBe(true);
});

test.each([
  ['ranks/park.ts', 'const now = Date.now();'],
  ['runtime/rank.ts', 'await new Promise((resolve) => setTimeout(resolve, 5));'],
  ['ranks/threads/threads.ts', 'Atomics.wait(words, 0, 0, 50);'],
  ['agreement/vote-group.ts', 'const tie = Math.random();'],
  ['wait.ts', 'const end = performance.now() + 5;'],
])('%s that has `%s` is found', (file, line) => {
  const found = fromTheMachine(new Map(sources).set(file, `${sources.get(file)}\n${line}`));
  expect(found).toHaveLength(1);
  expect(found[0]).toContain(line);
});
