import type { Device, DeviceGraph } from '../../../dist/device/index.js';
import type { Build } from './build.js';

/** What a null device tells of. */
export interface DeviceHooks {
  /** The commands of a step are enqueued: it is launched. What it throws, the device throws. */
  submit(): void;
  /** A rank waits for an earlier upload. What it throws, the device throws. */
  settle(): Promise<void>;
}

/** A device without memory or kernels, which the executor of a rank cannot tell from one: nothing runs, and all is done at once. */
export function nullDevice(hooks: DeviceHooks): Device {
  let ids = 0;
  const part = <T extends object>(members: T): T & { id: number } & Disposable => ({
    ...members,
    id: ++ids,
    dispose: () => undefined,
    [Symbol.dispose]: () => undefined,
  });
  const stream = {
    setCommandBlock: () => undefined,
    launch: () => undefined,
    upload: () => undefined,
    submit: () => hooks.submit(),
    synchronizeSync: () => undefined,
  };
  const device = {
    kind: 'host',
    allocate: (bytes: number) => part({ bytes, range: (_from: number, length: number) => part({ bytes: length }) }),
    createStream: () => part(stream),
    createEvent: () => part({ query: () => false, synchronize: () => hooks.settle() }),
    createPool: () => part({ reset: () => undefined }),
    loadModule: () => part({ kernel: () => ({}) }),
    bindArena: () => undefined,
    dispose: () => undefined,
  };
  return device as unknown as Device;
}

/** The graphs of as many keys, of which nothing runs. */
export function nullGraphs({ KeyGraphs, CapturedPiece }: Build, keys: number) {
  const graph = { id: 1, dispose: () => undefined } as unknown as DeviceGraph;
  return Array.from({ length: keys }, () => new KeyGraphs([new CapturedPiece([graph], [])]));
}
