import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { LockstepError } from '../../../dist/errors.js';
import { loadNative } from '../../../dist/native/index.js';
import { RandomCalls } from '../../fixtures/device/random-calls.mjs';
import { FACTOR, FULL_RUN, runs, SEED } from '../../support/property-runs.js';

type Method = (...args: unknown[]) => unknown;

/** Calls `run`, which may throw anything that is an Error, and returns what it returned. */
function attempt(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    expect(error).toBeInstanceOf(Error);
    return undefined;
  }
}

const numbers = fc.oneof(
  fc.integer({ min: -4, max: 80 }),
  fc.constantFrom(Number.NaN, Infinity, -Infinity, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 53), 0.5, -0),
  fc.double(),
);

it('the addon throws, and nothing else, whatever is called on whatever with whatever', () => {
  const addon = loadNative();
  const devices = [addon.openDevice('host', 1 << 20), addon.openDevice('host', null)];
  for (const device of devices)
    device.bindArena(new Uint8Array(new WebAssembly.Memory({ initial: 1, maximum: 1 }).buffer));
  // The two devices, and one of each thing they make, and what the calls make.
  const objects: object[] = devices.flatMap((device) => [
    device,
    device.allocate(64),
    device.createStream(),
    device.createStream(),
    device.createEvent(),
    device.loadModule(),
  ]);
  const anything = fc.oneof(
    { weight: 4, arbitrary: fc.nat().map((i) => ({ pick: i })) },
    { weight: 4, arbitrary: numbers },
    fc.constantFrom<unknown>(undefined, null, true, 'host', '', Symbol('s'), 1n, 2n ** 64n, new Uint8Array(16)),
    fc.constantFrom<unknown>(new DataView(new ArrayBuffer(8)), new SharedArrayBuffer(8), [], [1, 2, 3], {}, () => 1),
    fc.constantFrom<unknown>(new Proxy({}, {}), new Map(), Object.create(addon), new Proxy([], {})),
  );
  const call = fc.record({
    target: fc.nat(),
    receiver: fc.option(fc.nat(), { freq: 12 }),
    method: fc.nat(),
    args: fc.array(fc.oneof({ weight: 5, arbitrary: anything }, fc.array(anything, { maxLength: 5 })), {
      maxLength: 4,
    }),
  });
  const resolve = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(resolve);
    if (typeof value === 'object' && value !== null && Object.hasOwn(value, 'pick')) {
      return objects[(value as { pick: number }).pick % objects.length];
    }
    return value;
  };
  let calls = 0;
  const settings = runs(300);
  fc.assert(
    fc.property(fc.array(call, { minLength: 30, maxLength: 60 }), (sequence) => {
      for (const { target, receiver, method, args } of sequence) {
        const object = objects[target % objects.length] ?? devices[0];
        const prototype = Object.getPrototypeOf(object) as Record<string, Method>;
        const names = Object.getOwnPropertyNames(prototype).filter((name) => !/^dispose$|[aA]sync/.test(name));
        const name = names[method % names.length] ?? 'constructor';
        const self = receiver === null ? object : objects[receiver % objects.length];
        const made = attempt(() => Reflect.apply(prototype[name] as Method, self, args.map(resolve)));
        if (name === 'constructor') attempt(() => Reflect.construct(prototype[name] as Method, args.map(resolve)));
        if (typeof made === 'object' && made !== null && 'dispose' in made) {
          if (objects.length < 60) objects.push(made);
          else attempt(() => (made as { dispose(): void }).dispose());
        }
        calls++;
      }
    }),
    settings,
  );
  expect(calls).toBeGreaterThanOrEqual(30 * (settings.numRuns ?? 0));
  for (const object of objects) attempt(() => (object as { dispose(): void }).dispose());
  for (const device of devices) {
    device.dispose();
    expect(device.memory()).toMatchObject({ allocatedBytes: 0, buffers: 0, graphs: 0 });
  }
});

it('a command block of any words is refused or runs, and never leaves the buffer and the arena', () => {
  const device = loadNative().openDevice('host', null);
  const stream = device.createStream();
  const arena = new Int32Array(2048);
  device.bindArena(new Uint8Array(arena.buffer, 256, 4096));
  const buffer = device.allocate(256);
  const event = device.createEvent();
  const ids = [buffer.id, event.id];
  const word = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.constantFrom(...ids), fc.integer());
  const command = fc.tuple(fc.integer({ min: 0, max: 7 }), fc.array(word, { minLength: 7, maxLength: 7 }));
  stream.setCommandBlock(0, 8);
  let taken = 0;
  let refused = 0;
  fc.assert(
    fc.property(fc.array(command, { maxLength: 9 }), fc.array(word, { maxLength: 64 }), (commands, edits) => {
      arena.fill(0x5a5a5a5a);
      arena[64] = commands.length;
      for (const [i, [op, operands]] of commands.entries()) arena.set([op, ...operands], 64 + 8 + 8 * i);
      arena.set(edits, 512);
      try {
        stream.submit();
        taken++;
      } catch (error) {
        expect((error as LockstepError).code).toMatch(/^ERR_(INPUT_INVALID|LAUNCH_BOUNDS)$/);
        refused++;
      }
      while (!stream.waitSlice(50));
      expect(arena.subarray(0, 64).every((value) => value === 0x5a5a5a5a)).toBe(true);
      expect(arena.subarray(64 + 1024).every((value) => value === 0x5a5a5a5a)).toBe(true);
    }),
    runs(5000),
  );
  if (FULL_RUN) expect(Math.min(taken, refused)).toBeGreaterThan(50);
  device.dispose();
});

it('the public objects throw LockstepErrors, and nothing else, in any order of calls, most of which are what programs do', async () => {
  const random = new RandomCalls({ device: 'host', seed: SEED });
  const calls = Math.round(100_000 * FACTOR);
  for (let i = 0; i < calls; i++) random.call();
  await random.end();
  expect(random.counts.calls).toBe(calls);
  expect(random.counts.valid).toBeGreaterThan(calls / 2);
  if (FULL_RUN) {
    expect(Object.keys(random.counts.refused).sort()).toEqual([
      'ERR_DEVICE_BUSY',
      'ERR_DEVICE_CAPTURE',
      'ERR_DEVICE_KERNEL',
      'ERR_DEVICE_MEMORY',
      'ERR_DEVICE_MISMATCH',
      'ERR_DISPOSED',
      'ERR_INPUT_INVALID',
      'ERR_LAUNCH_BOUNDS',
      'ERR_LAUNCH_INVALID',
    ]);
  }
});
