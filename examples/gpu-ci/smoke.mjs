// The step that a GPU job of CI runs: a kernel captured in a graph, on the device that LOCKSTEP_DEVICE names, held against plain arithmetic.
//   LOCKSTEP_DEVICE=cuda node examples/gpu-ci/smoke.mjs
// A named device opens or the job fails: nothing falls back to the host unseen.
import { openDevice } from 'lockstep';

const device = openDevice({ device: process.env.LOCKSTEP_DEVICE ?? 'host' });
const stream = device.createStream();
const [ids, slots, cache] = [device.allocate(4 * 4), device.allocate(4 * 8), device.allocate(64 * 4)];
const kvWrite = device.loadModule().kernel('kv_write');

stream.beginCapture();
stream.launch(kvWrite, [ids, slots, cache, 4]);
const graph = stream.endCapture().instantiate();

stream.upload(ids, 0, Int32Array.of(5, 6, 7, 0));
// The last row is padding, and writes nowhere.
stream.upload(slots, 0, BigInt64Array.of(32n, 33n, 48n, -1n));
graph.launch(stream);
const found = new Int32Array(64);
await stream.download(cache, 0, found);
device.dispose();

const written = [found[32], found[33], found[48]].join();
if (written !== '5,6,7') throw new Error(`the cache holds ${written}, not 5,6,7`);
console.log(`ok on ${device.choice}`);
