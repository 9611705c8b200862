import { attend, kvStore } from './attend-cases.js';
import { copy, fill, gatherRows, scatterRows, tableEdit } from './byte-cases.js';
import { kvRead, kvReadRows, kvWrite } from './cache-cases.js';
import type { KernelCase, KernelCases } from './case.js';
import { acceptDrafts, advancePositions } from './draft-cases.js';
import { Draws } from './draws.js';
import { expert, sumShares } from './expert-cases.js';
import { combine, expertMatmul, route } from './expert-f32-cases.js';
import { add, embed, joinColumns, matmul, rmsNorm, rotate, swiglu, takeRows } from './f32-cases.js';
import { deviceInputs } from './input-cases.js';
import { sample } from './sample-cases.js';

/** Cases of every kernel of kernel-names.inc. */
export const CASES: Readonly<Record<string, KernelCases>> = {
  kv_write: kvWrite,
  kv_read: kvRead,
  kv_read_rows: kvReadRows,
  copy,
  fill,
  table_edit: tableEdit,
  gather_rows: gatherRows,
  scatter_rows: scatterRows,
  device_inputs: deviceInputs,
  accept_drafts: acceptDrafts,
  advance_positions: advancePositions,
  expert,
  sum_shares: sumShares,
  embed,
  rms_norm: rmsNorm,
  matmul,
  add,
  rotate,
  kv_store: kvStore,
  attend,
  swiglu,
  take_rows: takeRows,
  join_columns: joinColumns,
  sample,
  route,
  expert_matmul: expertMatmul,
  combine,
};

/** `count` cases of a kernel, the same ones again for the same seed. */
export function drawCases(kernel: string, count: number, seed: number): KernelCase[] {
  const draws = new Draws(BigInt(seed));
  const cases = CASES[kernel];
  if (cases === undefined) throw new RangeError(`test/kernels/cases.ts has no cases of ${kernel}`);
  return draws.list(count, () => cases.draw(draws));
}

/** The kinds of a kernel that none of these cases is of. */
export function missingKinds(kernel: string, cases: readonly KernelCase[]): string[] {
  return (CASES[kernel]?.kinds ?? []).filter((kind) => !cases.some(({ kinds }) => kinds.includes(kind)));
}

/** What is wrong with a launch's outcome, or null. */
export function differenceFrom({ expected }: KernelCase, words: string, buffers: readonly Uint8Array[]): string | null {
  if ('words' in expected) {
    if (words === '') return `it succeeds and must say ${expected.words ?? 'something'}`;
    return expected.words === null || expected.words === words ? null : `it says "${words}", not "${expected.words}"`;
  }
  if (words !== '') return `it fails: ${words}`;
  for (const [index, wanted] of expected.buffers.entries()) {
    const found = buffers[index] ?? new Uint8Array();
    const byte = wanted.findIndex((value, place) => found[place] !== value);
    if (byte >= 0 || found.length !== wanted.length) return `buffer ${index} differs from byte ${byte} on`;
  }
  return null;
}
