import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compileOldPtx } from '../../scripts/kernels/compilers.mjs';
import { KernelProgram } from '../support/kernel-program.js';
import { comparePtx } from './compare.js';
import { kernelOf } from './launch.js';
import { parsePtx } from './parse.js';

/** A mistake put into a kernel: in which header, what instead of what, and the case that shows it. */
const FAULTS: readonly (readonly [kernel: string, shows: string, header: string, right: string, wrong: string])[] = [
  ['kv_write', 'beyond one grid', 'grid.h', '(gridDim.x) * blockDim.x', '(blockDim.x) * blockDim.x'],
  ['kv_write', 'beyond one grid', 'kv-write.h', 'i += grid.stride', 'i += grid.stride + 1'],
  [
    'kv_write',
    'padding',
    'kv-write.h',
    'if (slot == -1) continue;',
    'if (slot == -1) { cache[0] = ids[i]; continue; }',
  ],
  ['kv_write', 'failure', 'kv-write.h', 'slot >= capacity', 'slot > capacity'],
  ['kv_read', 'first row not 0', 'kv-read.h', 'int64 next = row_begin;', 'int64 next = 0;'],
  ['kv_read', 'several rows', 'kv-read.h', 'row * a.pitch + column', 'row * a.block_size + column'],
  ['kv_read', 'more blocks than lanes', 'kv-read.h', 'column += lanes', 'column += lanes + 1'],
  ['kv_read_rows', 'failure', 'kv-read.h', 'block >= a.num_blocks', 'block > a.num_blocks'],
  ['copy', 'words', 'copy.h', 'done = words *', 'done = (words + 1) *'],
  ['copy', 'overlap', 'copy.h', 'if (dst < src) {', 'if (dst > src) {'],
  ['table_edit', 'row not 0', 'table-edit.h', '(edit.row) * pitch', '(edit.row) * (pitch - 1)'],
  ['table_edit', 'failure', 'table-edit.h', 'edit.end <= pitch', 'edit.end <= pitch + 1'],
  ['gather_rows', 'padding', 'gather-rows.h', 'if (index < count)', 'if (index <= count)'],
  ['scatter_rows', 'several ranks', 'padded-rows.h', 'place.before += count', 'place.before += a.pitch'],
  ['device_inputs', 'padding', 'device-inputs.h', 'slots[token] = -1;', 'slots[token] = 0;'],
  [
    'device_inputs',
    'drafts',
    'device-inputs.h',
    'drafts[row * max_drafts + place - 1]',
    'drafts[row * max_drafts + place]',
  ],
  [
    'device_inputs',
    'cut window',
    'device-inputs.h',
    'query_start_loc[request] + (request == 0 ? first_place : 0)',
    'query_start_loc[request]',
  ],
  ['accept_drafts', 'some kept', 'accept-drafts.h', 'next[begin + kept] == sampled', 'next[begin] == sampled'],
  ['accept_drafts', 'failure', 'accept-drafts.h', 'begin >= tokens', 'begin > tokens'],
  [
    'advance_positions',
    'moved',
    'advance-positions.h',
    'i * CONTROL_WORDS + CONTROL_POSITION] +=',
    'i * CONTROL_WORDS + CONTROL_POSITION] =',
  ],
  ['advance_positions', 'known', 'advance-positions.h', 'source[i] < 0', 'source[i] < -1'],
  ['sample', 'not a number', 'sample.h', 'own[token] != own[token]', 'own[0] != own[0]'],
  ['embed', 'failure', 'f32-rows.h', 'row < 0 || row >= rows', 'row < 0 || row > rows'],
  ['take_rows', 'several rows', 'f32-rows.h', 'table + row * width', 'table + piece.row * width'],
  ['join_columns', 'several ranks', 'f32-rows.h', 'piece.row % ranks * n + piece.row / ranks', 'piece.row'],
  ['add', 'several pieces', 'f32-rows.h', 'at(x) + at(y)', 'at(x) - at(y)'],
  ['swiglu', 'several rows', 'f32-rows.h', 'piece.row * 2 * width', 'piece.row * width'],
  ['swiglu', 'gates far from 0', 'functions.h', 'Unsigned(high << 23)', 'Unsigned(low << 23)'],
  ['rms_norm', 'rest of 16', 'lanes.h', 'if (i + l < count) sums', 'if (i + l + 1 < count) sums'],
  ['rms_norm', 'several rows', 'functions.h', '(root + 1) >> 1', 'root >> 1'],
  ['matmul', 'rest of 16', 'lanes.h', 'if (l < count)', 'if (l + 1 < count)'],
  ['matmul', 'whole tiles', 'lanes.h', 'sums.part[l + 8];', 'sums.part[15 - l];'],
  ['rotate', 'several heads', 'rotate.h', 'piece.row % heads * head_dim', 'piece.row % heads * half'],
  ['rotate', 'beyond one grid', 'rotate.h', 'a * at(cosine) - b', 'a * at(cosine) + b'],
  ['kv_store', 'padding', 'kv-store.h', 'if (slot == -1) continue;', 'if (slot == -1) return;'],
  ['attend', 'several chunks', 'attend.h', 'constexpr int64 CHUNK = 64;', 'constexpr int64 CHUNK = 32;'],
  ['attend', 'window', 'attend.h', 'last - window + 1', 'last - window'],
  ['attend', 'grouped heads', 'attend.h', 'h / (heads / kv_heads)', 'h % kv_heads'],
  ['attend', 'rest of 16', 'attend.h', 'head.value_offset + begin', 'head.value_offset'],
  ['attend', 'failure', 'attend.h', 'block >= head.blocks', 'block > head.blocks'],
  ['sample', 'greedy', 'sample.h', 'if (rank > highest) first', 'if (rank >= highest) first'],
  ['sample', 'top-k', 'sample.h', 'ties++ >= cut.ties', 'ties++ > cut.ties'],
  ['sample', 'top-p', 'sample.h', 'weigh_from(row, from) >= wanted', 'weigh_from(row, from) > 0'],
  ['sample', 'all', 'sample.h', '(position + 1ull)', '(position + 2ull)'],
  ['route', 'equal logits', 'route.h', 'e <= before', 'e < before'],
  ['expert_matmul', 'experts of others', 'matmul.h', '(expert - first) * m', 'expert * m'],
  ['expert_matmul', 'a row for each choice', 'matmul.h', 'per_choice != 0 ? choice', 'per_choice != 0 ? item'],
  [
    'combine',
    'several choices',
    'f32-rows.h',
    'at(share + j * pitch) * weight[j]',
    'at(share + j * pitch) * weight[0]',
  ],
  ['device_inputs', 'context parallelism', 'device-inputs.h', 'turn / cp.size * cp.interleave', 'turn * cp.interleave'],
];

const root = path.resolve(import.meta.dirname, '../..');
const seed = Number(process.env.LOCKSTEP_SEED);
const CASES_DRAWN = 250;
const ROUNDS = 40;
let program: KernelProgram;
let kinds: Map<string, string>;
let copy: string;

/** PTX of the kernels with one place of a header changed, or as they are; undefined where there is no clang-14. */
function ptxWith(header?: string, right = '', wrong = ''): string | undefined {
  cpSync(path.join(root, 'native/kernels'), path.join(copy, 'native/kernels'), { recursive: true });
  if (header !== undefined) {
    const file = path.join(copy, 'native/kernels', header);
    const text = readFileSync(file, 'utf8');
    if (text.split(right).length !== 2) throw new RangeError(`${header} holds "${right}" not once`);
    writeFileSync(
      file,
      text.replace(right, () => wrong),
    );
  }
  const target = path.join(copy, 'faulty.ptx');
  return compileOldPtx(copy, target) === undefined ? undefined : readFileSync(target, 'utf8');
}

copy = mkdtempSync(path.join(tmpdir(), 'lockstep-faults-'));
const right = ptxWith();

beforeAll(() => {
  program = new KernelProgram();
  kinds = program.list();
});
afterAll(() => {
  program.remove();
  rmSync(copy, { recursive: true, force: true });
});

test.skipIf(right === undefined)('clang-14 gives the committed PTX again', () => {
  expect(right).toBe(readFileSync(path.join(root, 'native/kernels/built/lockstep-old.ptx'), 'utf8'));
});

test.skipIf(right === undefined).each(FAULTS)(
  '%s: a mistake shows in a case of the kind "%s" (%s: %s → %s)',
  (kernel, shows, header, before, after) => {
    const ptx = ptxWith(header, before, after);
    if (ptx === undefined) throw new RangeError('clang-14 has gone');
    const faulty = kernelOf(parsePtx(ptx), kernel);
    // Some mistakes show in few of the cases of their kind: more are drawn until one does.
    let shown: readonly string[] = [];
    for (let round = 0; round < ROUNDS && !shown.includes(shows); round++)
      shown = comparePtx(program, faulty, kernel, kinds.get(kernel) ?? '', CASES_DRAWN, seed + round).kinds;
    expect(shown).toContain(shows);
  },
);
