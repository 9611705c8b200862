// A process of its own, started by hip-kernels.ts: compiles the source on stdin for argv's target by the first of argv's libraries that
// can, and writes what came of it to descriptor 3. HIP's runtime compiler may abort the process over a target that it does not know.
import { readFileSync, writeSync } from 'node:fs';
import { loadNative } from '../native/index.js';

const [target, ...libraries] = process.argv.slice(2);
const { code, library, log } = loadNative().compileHip(readFileSync(0, 'utf8'), target, libraries);
const answer = Buffer.from(
  JSON.stringify({ code: code === null ? null : Buffer.from(code).toString('base64'), library, log }),
);
for (let written = 0; written < answer.length; ) written += writeSync(3, answer, written);
