// Compiles kernels.c, captures a kernel of it in a graph, and launches the graph twice over other data.
//   node examples/custom-kernels/kernels.mjs
// Kernels for GPUs come as a cubin, PTX or HIP code object: docs/device.md, "Kernels compiled for a GPU".
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openDevice } from 'lockstep';

const folder = mkdtempSync(path.join(tmpdir(), 'kernels-'));
const library = path.join(folder, 'kernels.so');
const include = path.join(
  path.dirname(createRequire(import.meta.url).resolve('lockstep/package.json')),
  'native/include',
);
const source = path.join(import.meta.dirname, 'kernels.c');
execFileSync(process.env.CC ?? 'cc', ['-O2', '-shared', '-fPIC', `-I${include}`, source, '-o', library], {
  stdio: 'inherit',
});

const device = openDevice({ device: 'host' });
const stream = device.createStream();
const scale = device.loadModule({ path: library }).kernel('scale');
const [x, y] = [device.allocate(16), device.allocate(16)];

// The addresses and the scalars are baked into the graph; what the buffers hold is read at each launch.
stream.beginCapture();
stream.launch(scale, [x, y, 4, 3]);
const graph = stream.endCapture().instantiate();
for (const data of [
  [1, 2, 3, 4],
  [10, 20, 30, 40],
]) {
  stream.upload(x, 0, Int32Array.from(data));
  graph.launch(stream);
  const result = new Int32Array(4);
  await stream.download(y, 0, result);
  console.log(data.join(' '), '->', result.join(' '));
}

// What check() refuses never reaches the stream.
try {
  stream.launch(scale, [x, y, -1, 3]);
} catch (error) {
  console.log(error.code, error.message);
}
device.dispose();
rmSync(folder, { recursive: true });
