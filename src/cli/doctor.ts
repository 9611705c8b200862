import { type DeviceAttempt, type DeviceProbe, probeDevices } from '../device/index.js';
import { hasSimd } from '../memory/index.js';
import { createPlanner, devicePort } from '../planner/index.js';
import { type MpiAttempt, probeMpi } from '../ranks/index.js';
import { EXIT } from './exit.js';

/** What is here to run on. */
interface Findings {
  readonly schemaVersion: 1;
  readonly devices: readonly DeviceProbe[];
  readonly planner: PlannerProbe;
  readonly transports: readonly TransportProbe[];
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

/** Prints what is here to run on. */
export async function doctor(flags: { readonly json?: boolean }): Promise<void> {
  const found = await findings();
  process.stdout.write(`${flags.json === true ? JSON.stringify(found) : lines(found).join('\n')}\n`);
  const host = found.devices.some(({ kind, available }) => kind === 'host' && available);
  if (!host) process.exitCode = EXIT.unavailable;
}

async function findings(): Promise<Findings> {
  return {
    schemaVersion: 1,
    devices: probeDevices(),
    planner: await probePlanner(),
    transports: transports(),
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
    { name: 'mpi', ...probeMpi() },
  ];
}

function lines({ devices, planner, transports: ways, node, platform }: Findings): string[] {
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
    ...ways.flatMap(({ name, available, reason, attempts = [] }) =>
      available ? [entry(name, true, reason)] : triedLines(name, reason, attempts),
    ),
  ];
}

/** For a device that cannot be opened, lists what was tried. */
function deviceLines({ kind, available, reason, attempts }: DeviceProbe): string[] {
  return available ? [entry(kind, true, reason)] : triedLines(kind, reason, attempts);
}

/** What was tried for something that is not available; the reason alone where that was nothing. */
function triedLines(name: string, reason: string, attempts: readonly DeviceAttempt[]): string[] {
  if (attempts.length === 0) return [entry(name, false, reason)];
  const tried = attempts.map(({ library, reason: why }) =>
    why.startsWith(library) ? `${INDENT}${why}` : `${INDENT}${library}: ${why}`,
  );
  return [entry(name, false, 'tried'), ...tried];
}

const INDENT: string = ' '.repeat(15);

function entry(name: string, available: boolean, reason: string): string {
  return `  ${name.padEnd(8)} ${available ? 'yes' : 'no '} ${reason}`;
}
