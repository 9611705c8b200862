import { type Device, type LibraryProbe, ncclId, probeCollectives } from '../../device/index.js';
import { allGatherBytesSync, allGatherJsonSync, type Collective } from '../../ranks/index.js';
import type { NcclParts } from './nccl-collectives.js';

/** Streams that enqueue collectives: the executor's, and that of parts which overlap. */
const STREAMS = 2;

/** Where a rank's card is, and what it has to exchange data with. */
interface Seat {
  /** `Device.placement`: equal on ranks that share a card. */
  readonly place: string;
  readonly card: string;
  readonly version: string | null;
  /** Why its library does not serve; null where it does. */
  readonly lacks: string | null;
}

/** What the ranks of a group of GPUs agreed on: the vendor's library, the process's memory, or neither. */
export type NcclAgreement =
  | { readonly take: 'nccl'; readonly parts: NcclParts }
  | { readonly take: 'local' }
  | { readonly take: 'none'; readonly reason: string };

/**
 * Whether the ranks, which have GPUs of one kind, exchange data by NCCL or RCCL, and with which ids. Every rank calls it and all come to
 * the same. No communicator is made before: the library refuses two ranks on a card, and waits for a rank that lacks it.
 */
export function agreeNccl(device: Device, collective: Collective, timeoutMs: number): NcclAgreement {
  const [name, kind] = device.kind === 'hip' ? (['rccl', 'hip'] as const) : (['nccl', 'cuda'] as const);
  const library = probeCollectives().find((probe) => probe.name === name);
  const seats = allGatherJsonSync(collective, seatOf(device, library), { timeoutMs });
  const threads = collective.transport === 'threads';
  const places = seats.map(({ place }) => place);
  if (threads && places.every((place) => place === places[0])) return { take: 'local' };
  const twice = places.findIndex((place, rank) => places.indexOf(place) !== rank);
  if (twice >= 0) {
    const pair = `ranks ${places.indexOf(places[twice])} and ${twice} are both on the card ${seats[twice].card}`;
    return {
      take: 'none',
      reason: `${pair}, and ${name.toUpperCase()} refuses that (Duplicate GPU detected): give each rank a card of its own`,
    };
  }
  const lacking = seats.findIndex(({ lacks }) => lacks !== null);
  if (lacking >= 0)
    return { take: 'none', reason: `rank ${lacking} has no ${name.toUpperCase()}: ${seats[lacking].lacks}` };
  const parts = {
    implementation: name,
    ...reasonOf(name.toUpperCase(), seats, library, threads),
    ids: shareIds(kind, collective, timeoutMs),
    timeoutMs,
  } as const;
  return { take: 'nccl', parts };
}

function seatOf(device: Device, library: LibraryProbe | undefined): Seat {
  const lacks = library?.available === true ? null : (library?.reason ?? 'the addon does not load');
  return { place: device.placement, card: device.pciBusId, version: library?.version ?? null, lacks };
}

function reasonOf(
  name: string,
  seats: readonly Seat[],
  library: LibraryProbe | undefined,
  threads: boolean,
): { readonly reason: string; readonly capturable: boolean } {
  const versions = [...new Set(seats.map(({ version }) => version))].join(' and ');
  const safe = library?.safeAborts === true ? '' : `; before 2.26, ending it while graphs hold its work may fail`;
  const graphs = threads
    ? `; eager only, since ${name} may deadlock where a process has several GPUs and graphs hold collectives`
    : '';
  return {
    reason: `${name} ${versions}, a card for each of ${seats.length} ranks${safe}${graphs}`,
    capturable: !threads,
  };
}

/** The ids that rank 0 makes. */
function shareIds(kind: 'cuda' | 'hip', collective: Collective, timeoutMs: number): Uint8Array {
  const own = collective.rank === 0 ? Array.from({ length: STREAMS }, () => [...ncclId(kind)]).flat() : [];
  const [ids] = allGatherBytesSync(collective, Uint8Array.from(own), { timeoutMs });
  return ids;
}
