import type { Row } from '../batch/index.js';
import {
  type Device,
  type DeviceBuffer,
  type DeviceGraph,
  type DeviceName,
  type DeviceStream,
  type Kernel,
  openDevice,
} from '../device/index.js';
import { decodePlan } from '../keys/index.js';
import { COMMAND_HEADER_WORDS, ENUMS } from '../layout/index.js';
import { allocate, type PlannerModules } from '../memory/index.js';
import { StepPlanner } from '../planner/index.js';
import { LOCKSTEP_POLICY } from '../policy/index.js';
import { createSolo } from '../ranks/index.js';
import { createRank, type Rank, type StepResult } from '../runtime/index.js';
import type { BenchCase, BenchRow } from './measure.js';

const COUNT = 256;
const BLOCK_SIZE = 16;
const MODEL_LEN = 32768;
/** Work that is enqueued before the stream is waited for, so that the driver's queue is never full. */
const MOST_QUEUED = 256;
const UPLOAD_BYTES = 65536;
const LAUNCHES = 64;
/** Steps whose CPU time is taken together. */
const CPU_STEPS = 20_000;

/** What a bench on a device says beside its rows. */
export interface DeviceFigures {
  /** The device and why it was chosen. */
  readonly choice: string;
  /** Bytes of a graph of 64 launches; of a GPU what its driver took. */
  readonly graphBytes: number;
  /** CPU time of the process in a step of 256 decodes, in nanoseconds: planning, its submission, and waits for uploads. */
  readonly stepCpuNs: number;
}

/** Rows of what a device's work costs this thread. `opened` disposes of what they made. */
export function deviceRows(name: DeviceName, opened: Disposable[]): readonly BenchRow[] {
  const open = (): { device: Device; stream: DeviceStream } => {
    const device = openDevice({ device: name });
    opened.push(device);
    return { device, stream: device.createStream() };
  };
  const row = (title: string, make: (modules: PlannerModules) => Omit<BenchCase, 'peer'>): BenchRow => ({
    name: title,
    make: (modules) => ({ peer: null, ...make(modules) }),
  });
  return [
    row('step-device-256', (modules) => submissionCase(modules, open().device)),
    row('step-sync-256', (modules) => stepCase(modules, open().device)),
    row('step-async-256', (modules) => asyncStepCase(modules, open().device)),
    row('launch', () => launchCase(open())),
    row('replay', () => replayCase(open())),
    row('upload-pinned-64k', () => uploadCase(open(), open())),
    row('capture-64', () => captureCase(open())),
  ];
}

/** Figures that are no comparison of two times. */
export function deviceFigures(modules: PlannerModules, name: DeviceName): DeviceFigures {
  using device = openDevice({ device: name });
  using graph = captured(device, device.createStream());
  const { rank, step } = steadyRank(modules, device);
  using _ = rank;
  for (let i = 0; i < CPU_STEPS; i++) step();
  const before = process.cpuUsage();
  for (let i = 0; i < CPU_STEPS; i++) step();
  const { user, system } = process.cpuUsage(before);
  return { choice: device.choice, graphBytes: graph.bytes, stepCpuNs: ((user + system) * 1000) / CPU_STEPS };
}

/** A rank of 256 decodes with one graph, what schedules its next step, and what schedules and takes it. */
function steadyRank(
  modules: PlannerModules,
  device: Device,
): { rank: Rank; schedule: () => void; step: () => StepResult } {
  const blocks = MODEL_LEN / BLOCK_SIZE;
  const limits = {
    maxNumSeqs: COUNT,
    maxNumBatchedTokens: COUNT,
    maxModelLen: MODEL_LEN,
    blockSize: BLOCK_SIZE,
    numBlocks: COUNT * blocks + 1,
  };
  const plan = decodePlan({ sizes: [COUNT], limits: { ...limits, queryLen: 1 }, policy: LOCKSTEP_POLICY });
  const planner = new StepPlanner(modules, { limits, plan });
  const rank = createRank({ planner, device, collective: createSolo() });
  rank.captureSync();
  const restart = (rows: readonly Row[]): Row[] => {
    for (const row of rows) planner.requests.remove(row);
    return Array.from({ length: COUNT }, (_, index) => {
      const blockIds = Int32Array.from({ length: blocks }, (_, block) => 1 + index * blocks + block);
      const row = planner.requests.add({ blockIds });
      planner.requests.schedule(row, { phase: 'decode', queryLen: 1 });
      return row;
    });
  };
  let rows: Row[] = [];
  let left = 0;
  const schedule = (): void => {
    if (left-- > 0) {
      planner.requests.continueDecodes();
    } else {
      rows = restart(rows);
      left = MODEL_LEN - 2 * BLOCK_SIZE;
    }
  };
  const step = (): StepResult => {
    schedule();
    return rank.stepSync();
  };
  return { rank, schedule, step };
}

/** Of each `stepSync`, the time from its build's return to that of its submission, beside a call of the addon that does nothing. */
function submissionCase(modules: PlannerModules, device: Device): Omit<BenchCase, 'peer'> {
  const { rank, step } = steadyRank(modules, device);
  const { planner, executor } = rank;
  let built = 0;
  let spent = 0;
  const build = planner.build.bind(planner);
  planner.build = (decision) => {
    const local = build(decision);
    built = performance.now();
    return local;
  };
  const launch = executor.launch.bind(executor);
  executor.launch = (decision, local) => {
    launch(decision, local);
    spent += performance.now() - built;
  };
  return {
    most: MOST_QUEUED,
    ready: () => executor.stream.synchronizeSync(),
    ours: () => void step(),
    spent: () => spent * 1e6,
    limit: nothing(device),
  };
}

/** A whole `stepSync`, planning and the wait for its staging set included, beside a call of the addon that does nothing. */
function stepCase(modules: PlannerModules, device: Device): Omit<BenchCase, 'peer'> {
  const { rank, step } = steadyRank(modules, device);
  return {
    most: MOST_QUEUED,
    ready: () => rank.executor.stream.synchronizeSync(),
    ours: () => void step(),
    limit: nothing(device),
  };
}

/** The same of `step()`, which leaves the event loop free where it waits. */
function asyncStepCase(modules: PlannerModules, device: Device): Omit<BenchCase, 'peer'> {
  const { rank, schedule } = steadyRank(modules, device);
  return {
    most: MOST_QUEUED,
    ready: () => rank.executor.stream.synchronizeSync(),
    ours: () => {
      schedule();
      return rank.step();
    },
    awaited: true,
    limit: nothing(device),
  };
}

/** A launch of a kernel, beside a call of the addon that does nothing. */
function launchCase({ device, stream }: { device: Device; stream: DeviceStream }): Omit<BenchCase, 'peer'> {
  const fill = device.loadModule().kernel('fill');
  const buffer = device.allocate(4);
  return {
    most: MOST_QUEUED,
    ready: () => stream.synchronizeSync(),
    ours: () => stream.launch(fill, [buffer, 1, 1]),
    limit: nothing(device),
  };
}

/** A graph of 64 launches until the stream has run it, beside one launch that is waited for. */
function replayCase({ device, stream }: { device: Device; stream: DeviceStream }): Omit<BenchCase, 'peer'> {
  const graph = captured(device, stream);
  const fill = device.loadModule().kernel('fill');
  const buffer = device.allocate(4);
  return {
    ours: () => {
      stream.launchGraph(graph);
      stream.synchronizeSync();
    },
    limit: () => {
      stream.launch(fill, [buffer, 1, 1]);
      stream.synchronizeSync();
    },
  };
}

/** 64 KiB of an arena that the driver pins, until they are on the device, beside the same of one that it does not. */
function uploadCase(
  pinned: { device: Device; stream: DeviceStream },
  pageable: { device: Device; stream: DeviceStream },
): Omit<BenchCase, 'peer'> {
  const memory = allocate(4, 'The upload', 'other work of this machine').buffer;
  const upload = ({ device, stream }: { device: Device; stream: DeviceStream }, begin: number): (() => void) => {
    const arena = new Uint8Array(memory, begin, 2 * UPLOAD_BYTES);
    const buffer = device.allocate(UPLOAD_BYTES);
    device.bindArena(arena);
    writeUpload(new Int32Array(memory, begin), buffer);
    stream.setCommandBlock(0, 1);
    return () => {
      stream.submit();
      stream.synchronizeSync();
      // Its memory lives as long as it can be reached.
      return buffer;
    };
  };
  // Memory that is not made of whole pages is not pinned.
  return { ours: upload(pinned, 0), limit: upload(pageable, 2 * UPLOAD_BYTES - 64) };
}

function writeUpload(words: Int32Array, buffer: DeviceBuffer): void {
  words[0] = 1;
  words.set([ENUMS.COMMAND.upload, buffer.id, 0, 1024, UPLOAD_BYTES], COMMAND_HEADER_WORDS);
}

/** A capture of 64 launches until its graph is there, and its end, beside the same launches that run. */
function captureCase({ device, stream }: { device: Device; stream: DeviceStream }): Omit<BenchCase, 'peer'> {
  const fill = device.loadModule().kernel('fill');
  const buffer = device.allocate(4);
  return {
    ours: () => record(stream, fill, buffer).dispose(),
    limit: () => {
      for (let i = 0; i < LAUNCHES; i++) stream.launch(fill, [buffer, 1, 1]);
      stream.synchronizeSync();
    },
  };
}

function captured(device: Device, stream: DeviceStream): DeviceGraph {
  return record(stream, device.loadModule().kernel('fill'), device.allocate(4));
}

function record(stream: DeviceStream, kernel: Kernel, buffer: DeviceBuffer): DeviceGraph {
  stream.beginCapture();
  for (let i = 0; i < LAUNCHES; i++) stream.launch(kernel, [buffer, i, 1]);
  return stream.endCapture().instantiate();
}

/** One call of the addon: an event that was never recorded is reached. */
function nothing(device: Device): () => void {
  const event = device.createEvent();
  return () => void event.query();
}
