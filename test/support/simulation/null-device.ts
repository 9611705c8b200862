import type { Device, DeviceGraph } from '../../../dist/device/index.js';
import type { Build } from './build.js';

/** What a null device tells of. What a call throws, the device throws. */
export interface DeviceHooks {
  /** The commands of a step are enqueued: it is launched. */
  submit(): void;
  /** A rank waits for an earlier upload. */
  settle(): Promise<void>;
  /** A rank waits for all that it has enqueued. */
  drain(): Promise<void>;
  /** Memory is asked for. */
  allocate(): void;
  /** A graph is made of what was recorded. */
  instantiate(): void;
}

/** A device, and what is held of it. */
export interface NullDevice {
  readonly device: Device;
  readonly held: { buffers: number; graphs: number; recording: boolean };
}

/** A device without memory or kernels, which the executor of a rank cannot tell from one: nothing runs, and all is done at once. */
export function nullDevice(hooks: DeviceHooks): NullDevice {
  const held = { buffers: 0, graphs: 0, recording: false };
  let ids = 0;
  const part = <T extends object>(members: T, free: () => void = () => undefined): T & { id: number } & Disposable => {
    let live = true;
    const dispose = (): void => {
      if (live) free();
      live = false;
    };
    return { ...members, id: ++ids, dispose, [Symbol.dispose]: dispose };
  };
  const record = (to: boolean): void => {
    if (held.recording === to) throw new Error('a recording begins in another, or ends twice');
    held.recording = to;
  };
  const instantiate = () => {
    hooks.instantiate();
    held.graphs++;
    return part({ nodes: 1, bytes: 64, reservedBytes: 0, allocatedBytes: 0 }, () => held.graphs--);
  };
  const stream = {
    setCommandBlock: () => undefined,
    launch: () => undefined,
    upload: () => undefined,
    submit: () => hooks.submit(),
    synchronize: () => {
      if (held.recording) throw new Error('a rank waits while it records');
      return hooks.drain();
    },
    synchronizeSync: () => undefined,
    beginCapture: () => record(true),
    endCapture: () => {
      record(false);
      return part({ nodes: 1, instantiate });
    },
    abandonCapture: () => record(false),
    get capturing() {
      return held.recording;
    },
  };
  const device = {
    kind: 'host',
    allocate: (bytes: number) => {
      hooks.allocate();
      held.buffers++;
      return part({ bytes, range: (_from: number, length: number) => part({ bytes: length }) }, () => held.buffers--);
    },
    memory: () => ({ peakBytes: 0, allocatedBytes: 0, graphBytes: 0, limitBytes: null }),
    createStream: () => Object.defineProperties(part({}), Object.getOwnPropertyDescriptors(stream)),
    createEvent: () => part({ query: () => false, synchronize: () => hooks.settle() }),
    createPool: () => part({ reset: () => undefined }),
    loadModule: () => part({ kernel: () => ({}) }),
    bindArena: () => undefined,
    dispose: () => undefined,
  };
  return { device: device as unknown as Device, held };
}

/** The graphs of as many keys, of which nothing runs. */
export function nullGraphs({ KeyGraphs, CapturedPiece }: Build, keys: number) {
  const graph = { id: 1, dispose: () => undefined } as unknown as DeviceGraph;
  return Array.from({ length: keys }, () => new KeyGraphs([new CapturedPiece([graph], [])]));
}
