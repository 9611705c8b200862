import {
  type DeviceCard,
  type DeviceProbe,
  type LibraryProbe,
  type PinnedArena,
  probePinnedArena,
  type Validation,
} from '../device/index.js';
import type { KernelImage } from '../native/index.js';
import { entry, INDENT, triedLines } from './probe-lines.js';

/** By the name that `openDevice` takes: `cuda:0`. */
export type PinnedCards = Readonly<Record<string, PinnedArena>>;

/** Tries every card with a planner's memory. */
export function pinnedCards(devices: readonly DeviceProbe[], arena: Uint8Array): PinnedCards {
  const each = devices.flatMap(({ kind, cards }) =>
    kind === 'host'
      ? []
      : cards.map(({ ordinal }) => [`${kind}:${ordinal}`, probePinnedArena(kind, ordinal, arena)] as const),
  );
  return Object.fromEntries(each);
}

/** A device with its cards; of one that cannot be opened what was tried. */
export function deviceLines(device: DeviceProbe, pinned: PinnedCards): string[] {
  const { kind, available, reason, attempts, driver, cards, override } = device;
  const named = override === null ? [] : [`${INDENT}${override.variable}=${override.value} names the library`];
  if (!available) return [...triedLines(kind, reason, attempts), ...named];
  const runtime = driver?.runtimeVersion ? [`${INDENT}runtime ${driver.runtimeVersion}`] : [];
  return [
    entry(kind, true, reason),
    ...named,
    ...runtime,
    ...cards.flatMap((card) => cardLines(`${kind}:${card.ordinal}`, card, pinned)),
  ];
}

function cardLines(name: string, card: DeviceCard, pinned: PinnedCards): string[] {
  const { bytes, arch, processors, warp, pciBusId, standIn } = card;
  const gibibytes = (bytes / 2 ** 30).toFixed(1);
  const facts = `${arch}, ${gibibytes} GiB, ${processors} processors, warps of ${warp}, at ${pciBusId}`;
  const lines = [`${INDENT}${name} ${card.name}: ${facts}`];
  if (standIn) lines.push(`${INDENT}${name} is no GPU: a library of Lockstep's tests answers as its driver`);
  const arena = pinned[name];
  if (arena !== undefined) {
    lines.push(`${INDENT}${name} ${arena.pinned ? 'pins' : 'does not pin'} the planner's memory: ${arena.reason}`);
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
    const archs = [first, ...rest].map(({ arch }) => arch ?? 'compiled by hiprtc for the card').join(', ');
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
