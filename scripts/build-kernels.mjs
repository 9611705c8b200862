#!/usr/bin/env node
// Compiles native/kernels/device.cu to native/kernels/built, which is committed and packed beside the addon:
// `npm run build:kernels [-- --out DIR]`. Needs the nvcc of scripts/kernels/compilers.mjs and Debian 12's clang-14.
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  CUDA_ARCHITECTURES,
  compileFatbin,
  compileOldPtx,
  compilePtx,
  NVCC_VERSION,
  nvccVersion,
  runTool,
} from './kernels/compilers.mjs';
import { resourcesOf } from './kernels/resources.mjs';
import { BUILT, hashSources, inlinedSource, kernelNames } from './kernels/sources.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const MOST_BYTES = 1 << 20;

try {
  main();
} catch (error) {
  console.error(`build:kernels: ${error.message}`);
  process.exitCode = 1;
}

function main() {
  const { out } = parseArgs({ options: { out: { type: 'string' } } }).values;
  const folder = out === undefined ? path.join(root, BUILT) : path.resolve(out);
  const file = (name) => path.join(folder, name);
  const version = nvccVersion(root);
  if (version !== NVCC_VERSION) {
    throw new Error(
      `needs nvcc ${NVCC_VERSION}, found ${version ?? 'none'}: another's PTX differs from the committed text`,
    );
  }
  mkdirSync(folder, { recursive: true });
  compilePtx(root, file('lockstep.ptx'));
  const resources = resourcesOf(compileFatbin(root, file('lockstep.fatbin')));
  checkResources(resources);
  if (compileOldPtx(root, file('lockstep-old.ptx')) === undefined) {
    throw new Error('no clang-14: install it (apt-get install -y clang-14)');
  }
  // That the PTX of another compiler is legal, only an assembler can say.
  runTool(root, 'ptxas', ['-arch=sm_90', '-o', '/dev/null', file('lockstep-old.ptx')]);
  writeFileSync(file('lockstep.hip'), inlinedSource(root));
  const describe = {
    schemaVersion: 1,
    sourceHash: hashSources(root),
    nvcc: version,
    kernels: kernelNames(root).map((name) => `lockstep_${name}`),
    images: [
      ...CUDA_ARCHITECTURES.map((arch) => ({
        file: 'lockstep.fatbin',
        kind: 'cubin',
        arch: `sm_${arch}`,
        driver: '580',
      })),
      ptxImage('lockstep.fatbin', file('lockstep.ptx'), '580'),
      ptxImage('lockstep-old.ptx', file('lockstep-old.ptx'), '450'),
      { file: 'lockstep.hip', kind: 'source' },
    ],
    resources,
  };
  writeFileSync(file('kernels.json'), `${JSON.stringify(describe, null, 2)}\n`);
  for (const name of ['lockstep.fatbin', 'lockstep.ptx', 'lockstep-old.ptx', 'lockstep.hip']) {
    const { size } = statSync(file(name));
    if (size > MOST_BYTES) throw new Error(`${name} has ${size} bytes, more than ${MOST_BYTES}`);
    console.log(`${path.relative(process.cwd(), file(name))}: ${size} bytes`);
  }
}

/** The PTX image that `name` holds, as its text at `file` describes itself; from `driver` on it loads. */
function ptxImage(name, file, driver) {
  const text = readFileSync(file, 'utf8');
  const isa = /^\.version (\S+)$/m.exec(text)?.[1];
  const target = /^\.target sm_(\d+)/m.exec(text)?.[1];
  return { file: name, kind: 'ptx', arch: `compute_${target}`, isa, driver };
}

/** Every kernel is there for every GPU, and none spills registers to memory. */
function checkResources(resources) {
  for (const name of kernelNames(root)) {
    for (const arch of CUDA_ARCHITECTURES) {
      const used = resources[`lockstep_${name}`]?.[`sm_${arch}`];
      if (used === undefined) throw new Error(`device.cu defines no lockstep_${name} for sm_${arch}`);
      if (used.spills > 0)
        throw new Error(`lockstep_${name} spills ${used.spills} bytes on sm_${arch}; give it less to hold`);
    }
  }
}
