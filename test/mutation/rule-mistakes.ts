import { describe, expect, test } from 'vitest';
import { loadModules } from '../../dist/memory/modules.js';
import { CaughtTable } from './caught-table.js';
import { compileMutant, occurrences, ruleSources } from './compile-rules.js';
import { LAWS } from './laws.js';
import type { Mutation } from './mutation.js';

/** Tries each mistake of a group: the law that docs/check.md names first, the others only where that one no longer catches it. */
export function testMistakes(group: string, mutations: readonly Mutation[]): void {
  const sources = ruleSources();
  const caught = new CaughtTable(group);

  describe(`one mistake in the rules: ${group}`, () => {
    test.each(mutations)('$name', async (mutation) => {
      expect(occurrences(sources, mutation.find)).toHaveLength(1);
      const modules = await loadModules({ rules: await compileMutant(sources, mutation) });
      const known = caught.known(mutation.name);
      const first = LAWS.filter(({ name }) => known?.startsWith(`${name}: `));
      let by: string | undefined;
      for (const law of new Set([...first, ...LAWS])) {
        const broken = await law.broken(modules, known).catch((error: unknown) => String(error));
        if (broken === undefined) continue;
        by = `${law.name}: ${broken}`;
        break;
      }
      expect(by, 'this mistake is seen by no law').toBeDefined();
      caught.add(mutation.name, by ?? '');
    });
  });

  test('docs/check.md has the table', (context) => {
    // Only where all of them were tried.
    if (caught.size < mutations.length) context.skip();
    caught.expectShown();
  });
}
