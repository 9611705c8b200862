import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { SOURCES } from './sources.mjs';

/** The compiler that made the committed images; another's PTX would differ. */
export const NVCC_VERSION = '13.0.88';
/** GPUs that get machine code; all others from compute_80 on take the PTX. */
export const CUDA_ARCHITECTURES = [80, 90, 100, 120];

const DEVICE_FLAGS = ['-O3', '-std=c++17'];
/** A product is rounded before it is added: no other multiply-add has the same bits everywhere. */
const NVCC_FLAGS = [...DEVICE_FLAGS, '-fmad=false'];
const CLANG_FLAGS = [...DEVICE_FLAGS, '-ffp-contract=off', '-Wall', '-Wextra', '-include', 'clang-words.h'];
/** A machine's own flags and paths must not reach the bytes. */
const PATHS = [...(process.env.PATH ?? '').split(':'), '/usr/local/cuda/bin'];

/**
 * Runs a program in native/kernels. Undefined where it is not installed; its output where it succeeds.
 * @param {string} root
 * @param {string} program
 * @param {string[]} args
 * @returns {string | undefined}
 */
export function runTool(root, program, args) {
  const env = { PATH: PATHS.join(':'), LC_ALL: 'C', HOME: process.env.HOME ?? '/nonexistent' };
  const done = spawnSync(program, args, { cwd: path.join(root, SOURCES), env, encoding: 'utf8' });
  if (done.error) return undefined;
  if (done.status === 0) return `${done.stdout}${done.stderr}`;
  throw new Error(
    `${program} ${args.join(' ')} failed with ${done.status ?? done.signal}:\n${done.stdout}${done.stderr}`,
  );
}

/** The version of nvcc, or undefined where there is none. @param {string} root */
export function nvccVersion(root) {
  return /\bV(\d+\.\d+\.\d+)\b/.exec(runTool(root, 'nvcc', ['--version']) ?? '')?.[1];
}

/** nvcc's PTX of compute_80. @param {string} root @param {string} target */
export function compilePtx(root, target) {
  return runTool(root, 'nvcc', [...NVCC_FLAGS, '-arch=compute_80', '-ptx', '-o', target, 'device.cu']);
}

/**
 * One file with machine code for each architecture and PTX for later ones. Returns what ptxas says of registers.
 * @param {string} root
 * @param {string} target
 */
export function compileFatbin(root, target) {
  const images = CUDA_ARCHITECTURES.flatMap((arch, index) => {
    const code = index === 0 ? `[sm_${arch},compute_${arch}]` : `sm_${arch}`;
    return ['-gencode', `arch=compute_${arch},code=${code}`];
  });
  const flags = [...NVCC_FLAGS, '--fatbin', '--compress-mode=size', '-Xptxas', '-v'];
  return runTool(root, 'nvcc', [...flags, ...images, '-o', target, 'device.cu']);
}

/**
 * PTX 7.0 of compute_80, which drivers from CUDA 11.0 on compile.
 * @param {string} root
 * @param {string} target
 * @param {string} [clang]
 */
export function compileOldPtx(root, target, clang = 'clang-14') {
  const cuda = ['-x', 'cuda', '--cuda-gpu-arch=sm_80', '--cuda-device-only', '-nocudainc', '-nocudalib'];
  return runTool(root, clang, [...CLANG_FLAGS, ...cuda, '-Wno-unknown-cuda-version', '-S', '-o', target, 'device.cu']);
}

/**
 * A code object of an AMD GPU, by a clang without ROCm. Undefined where there is no such clang.
 * @param {string} root
 * @param {string} target
 * @param {string} clang
 * @param {string} arch
 */
export function compileHip(root, target, clang, arch) {
  const hip = ['-x', 'hip', `--offload-arch=${arch}`, '--cuda-device-only', '--no-gpu-bundle-output'];
  return runTool(root, clang, [...CLANG_FLAGS, ...hip, '-nogpulib', '-nogpuinc', '-o', target, 'device.cu']);
}
