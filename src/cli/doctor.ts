import {
  type CpuKernels,
  type DeviceProbe,
  type LibraryProbe,
  probeCollectives,
  probeCpuKernels,
  probeDevices,
  VALIDATION,
  type Validation,
} from '../device/index.js';
import { hasSimd } from '../memory/index.js';
import { type KernelImage, kernelImages } from '../native/index.js';
import { createPlanner, devicePort } from '../planner/index.js';
import { type MpiAttempt, probeMpi } from '../ranks/index.js';
import { bytesOf } from '../text.js';
import {
  type CardTrials,
  collectiveLines,
  cpuLines,
  deviceLines,
  kernelLines,
  tryCards,
  validationLines,
} from './device-report.js';
import { EXIT } from './exit.js';
import { entry, triedLines } from './probe-lines.js';
import { type ShowFlags, show, type TableRow } from './show.js';

/** What is here to run on. */
interface Findings {
  readonly schemaVersion: 1;
  readonly devices: readonly DeviceProbe[];
  /** Of each card, by `cuda:0`, whether it opens, and whether its driver takes a planner's memory as its own. */
  readonly cards: CardTrials;
  /** What the host's kernels run with; null without the addon. */
  readonly cpuKernels: CpuKernels | null;
  /** Code for GPUs that lies beside the addon; null without it. */
  readonly kernels: readonly KernelImage[] | null;
  readonly libraries: readonly LibraryProbe[];
  readonly validation: readonly Validation[];
  readonly planner: PlannerProbe;
  readonly transports: readonly TransportProbe[];
  readonly collectives: readonly CollectivesProbe[];
  readonly node: string;
  readonly platform: string;
}

interface PlannerProbe {
  /** This engine runs SIMD. Whether the planner's modules load is another matter: `bytes`, `reason`. */
  readonly simd: boolean;
  /** Memory of a planner with default limits; 0 where it cannot be built. */
  readonly bytes: number;
  readonly reason: string;
}

interface TransportProbe {
  readonly name: 'solo' | 'threads' | 'mpi';
  readonly available: boolean;
  readonly reason: string;
  /** Libraries tried in vain, of a transport that needs one. */
  readonly attempts?: readonly MpiAttempt[];
}

interface CollectivesProbe {
  readonly name: 'solo' | 'local' | 'mpi' | 'nccl' | 'rccl';
  readonly available: boolean;
  readonly reason: string;
}

/** Prints what is here to run on. */
export async function doctor(flags: ShowFlags): Promise<void> {
  const found = await findings();
  await show(flags, {
    document: () => found,
    rows: () => foundRows(found),
    text: () => `${lines(found).join('\n')}\n`,
  });
  const host = found.devices.some(({ kind, available }) => kind === 'host' && available);
  if (!host) process.exitCode = EXIT.unavailable;
}

async function findings(): Promise<Findings> {
  const devices = probeDevices();
  let cards: CardTrials = {};
  const planner = await probePlanner((arena) => {
    cards = tryCards(devices, arena);
  });
  const libraries = probeCollectives();
  return {
    schemaVersion: 1,
    devices,
    cards,
    cpuKernels: probeCpuKernels(),
    kernels: kernelImages(),
    libraries,
    validation: VALIDATION,
    planner,
    transports: transports(),
    collectives: collectives(devices, libraries),
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
  };
}

/** Makes a planner with default limits, whose memory `look` may try. */
async function probePlanner(look: (arena: Uint8Array) => void): Promise<PlannerProbe> {
  if (!('WebAssembly' in globalThis)) return { simd: false, bytes: 0, reason: 'this Node has no WebAssembly' };
  const simd = hasSimd();
  try {
    using planner = await createPlanner();
    const { arena } = devicePort(planner);
    look(arena);
    return { simd, bytes: arena.length, reason: 'both modules load' };
  } catch (error) {
    return { simd, bytes: 0, reason: `a module does not load: ${(error as Error).message}` };
  }
}

function transports(): TransportProbe[] {
  const shared = typeof SharedArrayBuffer === 'function';
  return [
    { name: 'solo', available: true, reason: 'one rank needs no peer' },
    {
      name: 'threads',
      available: shared,
      reason: shared ? 'ranks are worker threads of one process' : 'this Node has no SharedArrayBuffer',
    },
    { name: 'mpi', ...probeMpi() },
  ];
}

/** What devices of a group can exchange data with. */
function collectives(devices: readonly DeviceProbe[], libraries: readonly LibraryProbe[]): CollectivesProbe[] {
  const host = devices.find(({ kind }) => kind === 'host');
  const available = host?.available === true;
  const reason = available ? 'ranks are threads of one process' : (host?.reason ?? 'there is no host device');
  const mpi = probeMpi();
  return [
    { name: 'solo', available: true, reason: 'one rank needs no peer' },
    { name: 'local', available, reason },
    {
      name: 'mpi',
      available: available && mpi.available,
      reason:
        available && mpi.available ? 'ranks are processes of an MPI job, on the host' : available ? mpi.reason : reason,
    },
    betweenCards('nccl', 'cuda', devices, libraries),
    betweenCards('rccl', 'hip', devices, libraries),
  ];
}

/** Ranks with a card each need the cards, and the vendor's library. */
function betweenCards(
  name: 'nccl' | 'rccl',
  kind: 'cuda' | 'hip',
  devices: readonly DeviceProbe[],
  libraries: readonly LibraryProbe[],
): CollectivesProbe {
  const library = libraries.find((probe) => probe.name === name);
  const cards = devices.find((device) => device.kind === kind)?.cards.length ?? 0;
  if (cards === 0) return { name, available: false, reason: `there is no ${kind} device` };
  if (library?.available !== true)
    return { name, available: false, reason: library?.reason ?? 'the addon does not load' };
  return { name, available: true, reason: `ranks in a process and with a card each, of ${cards}; graphs hold them` };
}

/** What is here and what is not, and why, one a row. */
function foundRows({ devices, libraries, planner, transports: ways, collectives: exchanges }: Findings): TableRow[] {
  const row =
    (part: string) =>
    ({ name, available, reason }: CollectivesProbe | TransportProbe | LibraryProbe): TableRow => ({
      ...{ part, name, available, reason },
    });
  return [
    ...devices.map(({ kind, available, reason }) => ({ part: 'device', name: kind, available, reason })),
    ...libraries.map(row('library')),
    { part: 'planner', name: 'wasm', available: planner.bytes > 0, reason: planner.reason },
    ...ways.map(row('transport')),
    ...exchanges.map(row('collectives')),
  ];
}

function lines(found: Findings): string[] {
  const { devices, planner, transports: ways, collectives: exchanges, node, platform } = found;
  return [
    `lockstep on Node ${node}, ${platform}`,
    '',
    'devices',
    ...devices.flatMap((device) => deviceLines(device, found.cards)),
    'kernels of the host',
    ...cpuLines(found.cpuKernels),
    'kernels for GPUs',
    ...kernelLines(found.kernels),
    'collectives of GPUs',
    ...collectiveLines(found.libraries),
    'planner',
    entry(
      'wasm',
      planner.bytes > 0,
      planner.bytes > 0 ? `${planner.reason}; ${bytesOf(planner.bytes)} with default limits` : planner.reason,
    ),
    entry('simd', planner.simd, planner.simd ? 'this engine runs it' : 'this engine does not validate it'),
    'transports',
    ...ways.flatMap(({ name, available, reason, attempts = [] }) =>
      available ? [entry(name, true, reason)] : triedLines(name, reason, attempts),
    ),
    'collectives between devices',
    ...exchanges.map(({ name, available, reason }) => entry(name, available, reason)),
    'how far the GPU backends were tried (docs/validation.md)',
    ...validationLines(found.validation),
  ];
}
