import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  CUDA_ARCHITECTURES,
  compileFatbin,
  compileHip,
  compilePtx,
  NVCC_VERSION,
  nvccVersion,
  runTool,
} from '../../scripts/kernels/compilers.mjs';
import { resourcesOf } from '../../scripts/kernels/resources.mjs';
import { BUILT, hashSources, inlinedSource, kernelNames, SOURCES } from '../../scripts/kernels/sources.mjs';

const root = path.resolve(import.meta.dirname, '../..');
const built = (name: string): Buffer => readFileSync(path.join(root, BUILT, name));
const described = JSON.parse(built('kernels.json').toString());
const work = mkdtempSync(path.join(tmpdir(), 'lockstep-built-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

const entries = kernelNames(root).map((name) => `lockstep_${name}`);

describe('native/kernels/built', () => {
  test('is made of the sources that lie here: else npm run build:kernels', () => {
    expect(described.sourceHash).toBe(hashSources(root));
    expect(built('lockstep.hip').toString()).toBe(inlinedSource(root));
    expect(described.nvcc).toBe(NVCC_VERSION);
  });

  test('has every kernel for every GPU, none of which spills registers', () => {
    expect(described.kernels).toEqual(entries);
    expect(Object.keys(described.resources).sort()).toEqual([...entries].sort());
    for (const name of entries) {
      for (const arch of CUDA_ARCHITECTURES) {
        expect(described.resources[name][`sm_${arch}`], `${name} ${arch}`).toEqual({
          registers: expect.any(Number),
          spills: 0,
        });
      }
    }
  });

  test('says what its images hold, and each is at most 1 MB', () => {
    const files = new Set<string>(described.images.map(({ file }: { file: string }) => file));
    expect([...files, 'kernels.json', 'lockstep.ptx'].sort()).toEqual(readdirSync(path.join(root, BUILT)).sort());
    for (const file of files) expect(statSync(path.join(root, BUILT, file)).size).toBeLessThanOrEqual(1 << 20);
    expect(fatbinEntries(built('lockstep.fatbin'))).toEqual([
      ...CUDA_ARCHITECTURES.map((arch) => ({ kind: 'cubin', arch: `sm_${arch}` })),
      { kind: 'ptx', arch: 'compute_80' },
    ]);
    expect(described.images.filter(({ file }: { file: string }) => file === 'lockstep.fatbin')).toEqual(
      fatbinEntries(built('lockstep.fatbin')).map((entry) => expect.objectContaining(entry)),
    );
    const isa = (name: string) => /^\.version (\S+)$/m.exec(built(name).toString())?.[1];
    expect(described.images.filter(({ kind }: { kind: string }) => kind === 'ptx')).toMatchObject([
      { file: 'lockstep.fatbin', isa: isa('lockstep.ptx') },
      { file: 'lockstep-old.ptx', isa: isa('lockstep-old.ptx') },
    ]);
  });
});

test('no PTX holds a multiply-add, an approximation, a flush to zero, a call or local memory', () => {
  for (const name of ['lockstep.ptx', 'lockstep-old.ptx']) {
    const text = built(name).toString();
    expect(text, name).toContain('mul.rn.f32');
    expect(text, name).not.toMatch(/\bfma\b|\bmad\.rn|\.approx|\.ftz|\.full\b|\bcall\b|\.local\b/);
  }
});

test('bodies use no shared memory, no synchronisation, no warp operation, and no header but our own', () => {
  const headers = readdirSync(path.join(root, SOURCES)).filter((name) => /\.(h|cu)$/.test(name));
  const hostOnly = [
    'bodies.h',
    'body-table.h',
    'builtin.h',
    'cpu.h',
    'helpers.h',
    'images.h',
    'kernel-info.h',
    'parameters.h',
    'report-words.h',
    'threads.h',
  ];
  const bodies = headers.filter((name) => !hostOnly.includes(name));
  expect(bodies.length).toBeGreaterThan(20);
  for (const name of bodies) {
    const code = readFileSync(path.join(root, SOURCES, name), 'utf8').replace(/\/\/.*$/gm, '');
    expect(code, name).not.toMatch(
      /__shared__|__sync(?!_val)|__shfl|__ballot|__any|__all|__reduce|#include <|\bint64_t\b|\bstd::/,
    );
  }
});

const nvcc = nvccVersion(root);

test.skipIf(nvcc !== NVCC_VERSION)(`nvcc ${NVCC_VERSION} gives the committed PTX again`, () => {
  const target = path.join(work, 'again.ptx');
  compilePtx(root, target);
  expect(readFileSync(target, 'utf8')).toBe(built('lockstep.ptx').toString());
});

test.skipIf(nvcc !== NVCC_VERSION)(`nvcc ${NVCC_VERSION} compiles the kernels for every GPU of the list`, () => {
  const target = path.join(work, 'again.fatbin');
  expect(resourcesOf(compileFatbin(root, target))).toEqual(described.resources);
  expect(fatbinEntries(readFileSync(target)).length).toBe(CUDA_ARCHITECTURES.length + 1);
});

describe.each([
  ['clang-14', 'gfx90a'],
  ['clang-14', 'gfx1030'],
  ['clang-19', 'gfx942'],
])('%s', (clang, arch) => {
  test.skipIf(runTool(root, clang, ['--version']) === undefined)(`compiles the kernels for ${arch}`, () => {
    const target = path.join(work, `${arch}.hsaco`);
    compileHip(root, target, clang, arch);
    expectCodeObject(readFileSync(target));
  });
});

test('hiprtc, where it is installed, compiles the text that is shipped for it, for gfx90a', (context) => {
  const target = path.join(work, 'hiprtc.hsaco');
  const script = path.join(root, 'test/fixtures/kernels/hiprtc.py');
  // A child of its own: hiprtc ends the process over some targets.
  const done = spawnSync('python3', [script, path.join(root, BUILT, 'lockstep.hip'), 'gfx90a', target], {
    encoding: 'utf8',
  });
  if (done.status === 77) context.skip('no hiprtc');
  expect(done.status, done.stderr).toBe(0);
  expectCodeObject(readFileSync(target));
});

/** A code object, or a bundle of them, with a descriptor of every kernel. */
function expectCodeObject(bytes: Buffer): void {
  expect(bytes.includes('\x7fELF', 0, 'latin1')).toBe(true);
  for (const name of entries) expect(bytes.includes(`${name}.kd`), name).toBe(true);
}

/** The images of a fatbin: a header of 16 bytes, then for each image one that says its kind, size and architecture. */
function fatbinEntries(bytes: Buffer): { kind: string; arch: string }[] {
  expect(bytes.readUInt32LE(0)).toBe(0xba55ed50);
  const found: { kind: string; arch: string }[] = [];
  for (let at = bytes.readUInt16LE(6); at < bytes.length; ) {
    const kind = bytes.readUInt16LE(at) === 1 ? 'ptx' : 'cubin';
    const arch = bytes.readUInt32LE(at + 28);
    found.push({ kind, arch: kind === 'ptx' ? `compute_${arch}` : `sm_${arch}` });
    at += bytes.readUInt32LE(at + 4) + Number(bytes.readBigUInt64LE(at + 8));
  }
  return found.sort((a, b) => a.kind.localeCompare(b.kind));
}
