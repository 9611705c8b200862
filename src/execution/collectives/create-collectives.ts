import { checkArguments } from '../../checks.js';
import type { Device, DeviceKind } from '../../device/index.js';
import { LockstepError } from '../../errors.js';
import { DEFAULT_TIMEOUT_MS } from '../../names.js';
import { type Collective, joinedJob, spinsOf } from '../../ranks/index.js';
import { agreeNccl } from './agree-nccl.js';
import type { DeviceCollectives } from './device-collectives.js';
import { ExchangedCollectives } from './exchanged-collectives.js';
import { NcclCollectives } from './nccl-collectives.js';
import { NoCollectives } from './no-collectives.js';
import { SoloCollectives } from './solo-collectives.js';

/** What the collectives of a group are made of. */
export interface DeviceCollectivesOptions {
  readonly device: Device;
  /** The group's exchange of rows, over which the ranks agree on the collectives. */
  readonly collective: Collective;
  /** Longest wait for peers, in ms. Default 30,000. */
  readonly timeoutMs?: number;
}

/** "LDC", version 1: no vote and no guard begins with it. */
const TAG = 0x4c44_4301;
const DEVICE_KINDS: readonly DeviceKind[] = ['host', 'cuda', 'hip'];

/**
 * Makes the collectives of a group, which the caller disposes of after the rank. Every rank calls it at the same place: a few
 * all-gathers. Blocks this thread. It takes `solo` for one rank, `local` for threads of one process on one device, `mpi` for processes of an MPI
 * job with host devices, `nccl` or `rccl` for ranks with a GPU each, and else `none`, and says why.
 *
 * @throws `ERR_RANKS_DIVERGED` where ranks differ in the kind of their device, or some are elsewhere; what `allGatherSync` throws.
 */
export function createDeviceCollectives(options: DeviceCollectivesOptions): DeviceCollectives {
  checkArguments('createDeviceCollectives', { options: [options, 'object', 'device', 'collective'] });
  checkArguments('createDeviceCollectives', {
    device: [options.device, 'object'],
    collective: [options.collective, 'object', 'rank', 'size'],
  });
  const { device, collective, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  const { rank, size, transport } = collective;
  if (size === 1) return new SoloCollectives();
  const [high, low] = crypto.getRandomValues(new Int32Array(2));
  const rows = gatherRows(collective, [TAG, DEVICE_KINDS.indexOf(device.kind), high, low], timeoutMs);
  const differing = rows.findIndex((row) => row[0] !== TAG || row[1] !== rows[0][1]);
  if (differing >= 0) throw diverged(differing, rows[0][1], rows[differing]);
  if (device.kind !== 'host') {
    const agreed = agreeNccl(device, collective, timeoutMs);
    if (agreed.take === 'nccl') return new NcclCollectives(device, collective, agreed.parts);
    if (agreed.take === 'none') return new NoCollectives(rank, size, agreed.reason);
  }
  const job = transport === 'mpi' ? joinedJob() : null;
  if (transport === 'mpi' && job === null) return new NoCollectives(rank, size, 'this thread is no rank of an MPI job');
  const made = new ExchangedCollectives(device, {
    ...(job === null
      ? {
          implementation: 'local',
          reason: 'the ranks are threads of one process',
          communicator: device.joinLocal(`${rows[0][2]}:${rows[0][3]}`, rank, size),
        }
      : {
          implementation: 'mpi',
          reason: 'the ranks are processes of an MPI job, with host devices',
          communicator: device.joinMpi(collective, spinsOf(job)),
        }),
    ...{ rank, size, timeoutMs },
  });
  try {
    // Nobody enters a collective, or leaves the group, before all have joined it.
    gatherRows(collective, [TAG], timeoutMs);
  } catch (error) {
    made[Symbol.dispose]();
    throw error;
  }
  return made;
}

/** The first words of each rank's row. */
function gatherRows(collective: Collective, words: readonly number[], timeoutMs: number): readonly Int32Array[] {
  const { size, rowWords } = collective;
  const row = new Int32Array(rowWords);
  row.set(words);
  const table = new Int32Array(size * rowWords);
  collective.allGatherSync(row, table, { timeoutMs });
  return Array.from({ length: size }, (_, rank) => table.subarray(rank * rowWords, (rank + 1) * rowWords));
}

function diverged(rank: number, first: number, row: Int32Array): LockstepError {
  const what =
    row[0] === TAG
      ? `has a ${DEVICE_KINDS[row[1]]} device and rank 0 a ${DEVICE_KINDS[first]} one`
      : 'is not where it makes its device collectives';
  return new LockstepError(
    'ERR_RANKS_DIVERGED',
    `Rank ${rank} ${what}; every rank must call createDeviceCollectives() at the same place, on a device of the same kind.`,
    { rank },
  );
}
