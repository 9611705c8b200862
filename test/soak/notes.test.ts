import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { caseOf, KINDS } from '../fixtures/faults/kinds.mjs';
import { readNotes, writeNote } from '../fixtures/faults/notes.mjs';
import { root } from '../support/cli.js';

const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-notes-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => path.join(folder, name);

/** Notes of one case of each kind on each transport that went well, as lines. */
const CASES = 2 * KINDS.length;
const notes = (more: object): string =>
  Array.from({ length: CASES }, (_, index) => {
    const { transport, fault } = caseOf(0, index);
    return `${JSON.stringify({ ...more, index, kind: fault.kind, transport, ms: 1, seconds: 1, broken: [] })}\n`;
  }).join('');

function soak(...args: string[]): { status: number | null; said: string } {
  const script = path.join(root, 'scripts/soak-faults.mjs');
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], { cwd: folder, encoding: 'utf8' });
  return { status, said: `${stdout}${stderr}` };
}

describe('npm run soak:faults', () => {
  it.each([
    [['--transport', 'tcp'], '--transport is tcp; there are threads and mpi'],
    [['--runs', '0'], '--runs and --jobs are 1 at least'],
    [['--runs', 'x'], '--runs is x; it takes a whole number'],
    [['--only=-1'], '--only is -1; it takes a whole number'],
    [['--only', '9999', '--transport', 'mpi'], '--only 9999 is a case on threads'],
  ])('refuses what selects no case: %j', (args, message) => {
    const { status, said } = soak('--seed', '8', ...args);
    expect(said).toContain(message);
    expect(said).not.toContain('passed');
    expect(status).toBe(2);
  });

  it('goes on from its own notes, and counts those that are asked for', () => {
    for (const [name, more] of [
      ['notes.jsonl', { seed: 8 }],
      ['faults-8.jsonl', {}],
    ] as const) {
      writeFileSync(at(name), notes(more));
      const all = soak('--seed', '8', '--runs', '1', '--progress', at(name));
      expect(all).toMatchObject({ status: 0, said: expect.stringContaining(`${CASES} passed, 0 failed (seed 8)`) });
      const some = soak('--seed', '8', '--runs', '1', '--progress', at(name), '--transport', 'mpi');
      expect(some).toMatchObject({ status: 0, said: expect.stringContaining(`${KINDS.length} passed, 0 failed`) });
    }
  });

  it.each([
    ['of another seed', notes({ seed: 7 }), ':1 is a case of seed 7, and this soak has seed 8'],
    ['that say no seed', notes({}), ':1 says no seed'],
    ['with a damaged line', `${notes({ seed: 8 })}{"ind\n`, `:${CASES + 1} is no note of a case`],
    ['of cases that are others here', notes({ seed: 8, index: 1 }).replaceAll('"threads"', '"mpi"'), ':1 is no note'],
  ])('refuses notes %s', (_which, text, message) => {
    writeFileSync(at('other.jsonl'), text);
    const { status, said } = soak('--seed', '8', '--runs', '1', '--progress', at('other.jsonl'));
    expect(said).toContain(`other.jsonl${message}`);
    expect([status, readFileSync(at('other.jsonl'), 'utf8')]).toEqual([2, text]);
  });

  it('takes off a line that it was killed in', () => {
    const file = at('killed.jsonl');
    writeFileSync(file, `${notes({ seed: 8 })}{"seed":8,"ind`);
    const found = readNotes(file, 8);
    expect(found.size).toBe(CASES);
    writeNote(file, found.get(3) as NonNullable<ReturnType<typeof found.get>>);
    expect([...readNotes(file, 8)]).toEqual([...found]);
  });
});
