import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { EAGER_REASONS, LOCKSTEP_POLICY, type ReasonCode } from '../../../dist/entry/planner.js';
import { ENUMS, TENSORS } from '../../../dist/layout/layout.js';

const page = (name: string): string => readFileSync(path.resolve(import.meta.dirname, '../../../docs', name), 'utf8');

describe('docs', () => {
  it('concepts explains every reason, and says of each whether it is an eager one', () => {
    const rows = [...page('concepts.md').matchAll(/^\| `([a-z-]+)` \| (full|piecewise|park|eager) \|/gm)];
    expect(rows.map((row) => row[1]).sort()).toEqual(Object.keys(ENUMS.REASON).sort());
    const eager = rows.filter((row) => row[2] === 'eager').map((row) => row[1] as ReasonCode);
    expect(eager.sort()).toEqual([...EAGER_REASONS].sort());
  });

  it('planner lists every choice of a policy with its default, and every verdict', () => {
    const section = page('planner.md').split('## Policies')[1].split('\n## ')[0];
    const rows = [...section.matchAll(/^\| `(\w+)` \| `([^`]+)` \|/gm)].map(([, name, value]) => [
      name,
      JSON.parse(value),
    ]);
    expect(Object.fromEntries(rows)).toEqual(LOCKSTEP_POLICY);
    const verdicts = page('planner.md').split('| verdict | of a key that |')[1].split('\n\n')[0];
    const named = [...verdicts.matchAll(/^\| (`.*?) \|/gm)].flatMap(([, cell]) => cell.match(/[a-z-]+/g) ?? []);
    expect(named.sort()).toEqual(Object.keys(ENUMS.VERDICT).sort());
  });

  it('planner lists every tensor', () => {
    const rows = [...page('planner.md').matchAll(/^\| `(\w+)` \| i(?:32|64) \[/gm)].map((row) => row[1]);
    expect(rows.sort()).toEqual([...TENSORS, 'blockTable'].sort());
  });
});
