import type { Mutation } from './mutation.js';

/** Mistakes in the guard, made in the compiled `ranks/resolve-guard.js`. */
export const GUARD_MUTATIONS: readonly Mutation[] = [
  {
    name: 'guard: run where any rank is ready',
    find: 'if (lacking.length === 0)',
    replace: 'if (lacking.length < rows.ranks)',
  },
  {
    name: 'guard: skip where any rank is not ready',
    find: 'if (lacking.length === rows.ranks)',
    replace: 'if (lacking.length > 0)',
  },
  {
    name: 'guard: run where none is ready',
    find: "if (lacking.length === rows.ranks)\n        return { kind: 'skip', key };",
    replace: "if (lacking.length === rows.ranks)\n        return { kind: 'run', key };",
  },
  {
    name: 'guard: throw although asked to drop',
    find: "onAsymmetric: rows.word(0, 'drop') === 1 ? 'drop' : 'throw', lacking",
    replace: "onAsymmetric: 'throw', lacking",
  },
  {
    name: 'guard: rows of different keys go together',
    find: 'if (differences.length > 0 ||',
    replace: 'if (differences.length > rows.ranks ||',
  },
];
