import { steps } from '../../numbers.js';
import type { EngineLimits } from '../engine-limits.js';
import { completeProfile } from '../profile/engine-profile.js';
import { captureMegatron } from './capture.js';
import type { MegatronDistribution } from './ladder.js';
import { DISTRIBUTION, NUM_GRAPHS } from './launch.js';

/** Numbers of graphs that are tried beyond the ladder's: rounding merges some. */
const MARGIN = 16;

/**
 * The number of graphs, and their spacing, with which Megatron pads decode batches most nearly as a ladder does: the least
 * sum, over every number of requests, of how far the two padded sizes lie apart as a share of that number. It captures at
 * most as many graphs as the ladder has sizes, since graphs take memory; ties go to the fewest.
 */
export function emitMegatron(requests: readonly number[], limits: Required<EngineLimits>): string {
  const wanted = paddedBatches(requests, limits.maxNumSeqs);
  let best = { distance: Infinity, graphs: Infinity, flags: '' };
  for (const distribution of ['exponential', 'linear'] as const) {
    for (const numGraphs of [-1, ...steps(1, requests.length + MARGIN, 1)]) {
      const batches = decodeSizes(limits, numGraphs, distribution).map((tokens) => tokens / limits.queryLen);
      if (batches.length > requests.length) continue;
      const padded = paddedBatches(batches, limits.maxNumSeqs);
      const distance = padded.reduce((sum, size, index) => sum + Math.abs(size - wanted[index]) / (index + 1), 0);
      if (distance < best.distance || (distance === best.distance && batches.length < best.graphs)) {
        best = {
          distance,
          graphs: batches.length,
          flags: `${NUM_GRAPHS} ${numGraphs} ${DISTRIBUTION} ${distribution}`,
        };
      }
    }
  }
  return best.flags;
}

function decodeSizes(
  limits: Required<EngineLimits>,
  numGraphs: number,
  distribution: MegatronDistribution,
): readonly number[] {
  return captureMegatron(completeProfile({ ...limits, engine: 'megatron', numGraphs, distribution, decodeOnly: true }))
    .sizes;
}

/** What each number of requests, from 1, is padded to; above the largest captured batch, itself. */
function paddedBatches(batches: readonly number[], most: number): number[] {
  let at = 0;
  return Array.from({ length: most }, (_, index) => {
    while (at < batches.length && batches[at] < index + 1) at++;
    return batches[at] ?? index + 1;
  });
}
