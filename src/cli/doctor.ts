import { type DeviceProbe, probeDevices } from '../device/index.js';
import { hasSimd } from '../memory/index.js';
import { createPlanner, devicePort } from '../planner/index.js';
import { EXIT } from './exit.js';

/** What is here to run on. */
interface Findings {
  readonly schemaVersion: 1;
  readonly devices: readonly DeviceProbe[];
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
}

interface CollectivesProbe {
  readonly name: 'solo' | 'local' | 'nccl';
  readonly available: boolean;
  readonly reason: string;
}

/** Prints what is here to run on. */
export async function doctor(flags: { readonly json?: boolean }): Promise<void> {
  const found = await findings();
  process.stdout.write(`${flags.json === true ? JSON.stringify(found) : lines(found).join('\n')}\n`);
  const host = found.devices.some(({ kind, available }) => kind === 'host' && available);
  if (!host) process.exitCode = EXIT.unavailable;
}

async function findings(): Promise<Findings> {
  const devices = probeDevices();
  return {
    schemaVersion: 1,
    devices,
    planner: await probePlanner(),
    transports: transports(),
    collectives: collectives(devices),
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
  };
}

async function probePlanner(): Promise<PlannerProbe> {
  if (!('WebAssembly' in globalThis)) return { simd: false, bytes: 0, reason: 'this Node has no WebAssembly' };
  const simd = hasSimd();
  try {
    using planner = await createPlanner();
    return { simd, bytes: devicePort(planner).arena.length, reason: 'both modules load' };
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
    { name: 'mpi', available: false, reason: 'this build has no MPI transport' },
  ];
}

/** What devices of a group can exchange data with. */
function collectives(devices: readonly DeviceProbe[]): CollectivesProbe[] {
  const host = devices.find(({ kind }) => kind === 'host');
  const available = host?.available === true;
  const reason = available ? 'ranks are threads of one process' : (host?.reason ?? 'there is no host device');
  return [
    { name: 'solo', available: true, reason: 'one rank needs no peer' },
    { name: 'local', available, reason },
    { name: 'nccl', available: false, reason: 'this build calls neither NCCL nor RCCL' },
  ];
}

function lines({ devices, planner, transports: ways, collectives: exchanges, node, platform }: Findings): string[] {
  const mebibytes = (planner.bytes / 2 ** 20).toFixed(1);
  return [
    `lockstep on Node ${node}, ${platform}`,
    '',
    'devices',
    ...devices.flatMap(deviceLines),
    'planner',
    entry(
      'wasm',
      planner.bytes > 0,
      planner.bytes > 0 ? `${planner.reason}; ${mebibytes} MiB with default limits` : planner.reason,
    ),
    entry('simd', planner.simd, planner.simd ? 'this engine runs it' : 'this engine does not validate it'),
    'transports',
    ...ways.map(({ name, available, reason }) => entry(name, available, reason)),
    'collectives between devices',
    ...exchanges.map(({ name, available, reason }) => entry(name, available, reason)),
  ];
}

/** For a device that cannot be opened, lists what was tried. */
function deviceLines({ kind, available, reason, attempts }: DeviceProbe): string[] {
  if (available || attempts.length === 0) return [entry(kind, available, reason)];
  const tried = attempts.map(({ library, reason: why }) =>
    why.startsWith(library) ? `${INDENT}${why}` : `${INDENT}${library}: ${why}`,
  );
  return [entry(kind, false, 'tried'), ...tried];
}

const INDENT: string = ' '.repeat(15);

function entry(name: string, available: boolean, reason: string): string {
  return `  ${name.padEnd(8)} ${available ? 'yes' : 'no '} ${reason}`;
}
