import {
  type CpuKernels,
  type DeviceCard,
  type DeviceProbe,
  type LibraryProbe,
  openDevice,
  type PinnedArena,
  probePinnedArena,
  type Validation,
} from '../device/index.js';
import type { LockstepError } from '../errors.js';
import type { KernelImage } from '../native/index.js';
import { bytesOf } from '../text.js';
import { entry, INDENT, triedLines } from './probe-lines.js';

/** What came of trying a card. */
export interface CardTrial {
  /** Whether it opens as a device: its driver starts it, and its kernels load. */
  readonly opens: boolean;
  /** Why, or why not. */
  readonly reason: string;
  readonly pinnedArena: PinnedArena;
}

/** By the name that `openDevice` takes: `cuda:0`. */
export type CardTrials = Readonly<Record<string, CardTrial>>;

/** Opens every card, and pins a planner's memory for it. */
export function tryCards(devices: readonly DeviceProbe[], arena: Uint8Array): CardTrials {
  const each = devices.flatMap(({ kind, cards }) =>
    kind === 'host' ? [] : cards.map(({ ordinal }) => [`${kind}:${ordinal}`, tryCard(kind, ordinal, arena)] as const),
  );
  return Object.fromEntries(each);
}

function tryCard(kind: 'cuda' | 'hip', ordinal: number, arena: Uint8Array): CardTrial {
  const pinnedArena = probePinnedArena(kind, ordinal, arena);
  try {
    openDevice({ device: `${kind}:${ordinal}` }).dispose();
    return { opens: true, reason: 'its kernels load', pinnedArena };
  } catch (error) {
    const { message, details } = error as LockstepError;
    return { opens: false, reason: typeof details?.reason === 'string' ? details.reason : message, pinnedArena };
  }
}

/** With which instructions and on how many threads the host's kernels run. */
export function cpuLines(found: CpuKernels | null): string[] {
  if (found === null) return [entry('host', false, 'the addon does not load')];
  const { name, supported, threads, mistake } = found;
  if (mistake !== null) return [entry(name, false, mistake)];
  const choices = `of ${supported.join(', ')} (LOCKSTEP_CPU)`;
  return [entry(name, true, `${choices}; ${threads} ${threads === 1 ? 'thread' : 'threads'} (LOCKSTEP_THREADS)`)];
}

/** A device with its cards; of one that cannot be opened what was tried. */
export function deviceLines(device: DeviceProbe, trials: CardTrials): string[] {
  const { kind, available, reason, attempts, driver, cards, override } = device;
  const named = override === null ? [] : [`${INDENT}${override.variable}=${override.value} names the library`];
  if (!available) return [...triedLines(kind, reason, attempts), ...named];
  const runtime = driver?.runtimeVersion ? [`${INDENT}runtime ${driver.runtimeVersion}`] : [];
  return [
    entry(kind, true, reason),
    ...named,
    ...runtime,
    ...cards.flatMap((card) => cardLines(`${kind}:${card.ordinal}`, card, trials)),
  ];
}

function cardLines(name: string, card: DeviceCard, trials: CardTrials): string[] {
  const { bytes, arch, processors, warp, pciBusId, standIn } = card;
  const facts = `${arch}, ${bytesOf(bytes)}, ${processors} processors, warps of ${warp}, at ${pciBusId}`;
  const lines = [`${INDENT}${name} ${card.name}: ${facts}`];
  if (standIn) lines.push(`${INDENT}${name} is no GPU: a library of Lockstep's tests answers as its driver`);
  const trial = trials[name];
  if (trial !== undefined) {
    const { opens, reason, pinnedArena } = trial;
    lines.push(`${INDENT}${name} ${opens ? 'opens' : 'does not open'}: ${reason}`);
    const pins = pinnedArena.pinned ? 'pins' : 'does not pin';
    lines.push(`${INDENT}${name} ${pins} the planner's memory: ${pinnedArena.reason}`);
  }
  return lines;
}

/** The code for GPUs, a line a file. */
export function kernelLines(images: readonly KernelImage[] | null): string[] {
  if (images === null)
    return [entry('images', false, 'the package holds none; npm run setup copies them to prebuilds/')];
  const files = [...new Set(images.map(({ file }) => file))];
  return files.map((file, index) => {
    const [first, ...rest] = images.filter((image) => image.file === file);
    const archs = [first, ...rest]
      .map(({ arch }) => arch ?? 'source, compiled for the card when it is first opened')
      .join(', ');
    const floor = first.driver === undefined ? '' : `; driver ${first.driver} or newer`;
    const text = `${file}: ${archs}${floor}`;
    return index === 0 ? entry('images', true, text) : `${INDENT}${text}`;
  });
}

/** NCCL and RCCL. */
export function collectiveLines(libraries: readonly LibraryProbe[]): string[] {
  return libraries.flatMap(({ name, available, reason, attempts }) =>
    available ? [entry(name, true, reason)] : triedLines(name, reason, attempts),
  );
}

/** Features of a backend by how far they were tried. */
export function validationLines(all: readonly Validation[]): string[] {
  return all.map(({ backend, feature, state, device, driver, date }) => {
    const where = device === undefined ? '' : ` (${device}, driver ${driver}, ${date})`;
    return `  ${backend.padEnd(8)} ${feature}: ${state}${where}`;
  });
}
