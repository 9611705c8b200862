import { expect, it } from 'vitest';
import { lawsOf } from '../fixtures/ranks/laws.mjs';

/** What a rank saw of the laws, by their names. */
export type SeenLaws = Readonly<Record<string, { readonly value?: unknown; readonly error?: string }>>;

/** A test for each law of so many ranks, over what the ranks of one transport saw. */
export function itHoldsTheLaws(size: number, seen: () => readonly SeenLaws[]): void {
  for (const [name, { judge }] of lawsOf(size)) {
    it(`${name} (${size})`, () => {
      const ranks = seen();
      expect(ranks).toHaveLength(size);
      const errors = ranks.flatMap((laws, rank) =>
        laws[name]?.error === undefined ? [] : [`rank ${rank}: ${laws[name].error}`],
      );
      expect(errors).toEqual([]);
      const values = ranks.map((laws) => laws[name].value);
      expect(values.every((value) => value !== undefined)).toBe(true);
      judge?.(values);
    });
  }
}
