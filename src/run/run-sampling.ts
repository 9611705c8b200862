import type { Faults } from '../checks.js';
import { checkedControls, type SamplingControls } from '../decoder/index.js';
import { hash32 } from '../workload/index.js';

/** How the requests of a model's run draw their tokens. */
export interface RunSampling {
  /** 0: always the most likely token. */
  readonly temperature: number;
  /** Tokens kept, the most likely first; 0 keeps all. Default 0. */
  readonly topK?: number;
  /** Share of the probability kept, above 0, to 1. Default 1. */
  readonly topP?: number;
  /** Share of the requests that draw so, chosen by the run's seed; the others always take the most likely token. Default 1. */
  readonly share?: number;
}

const NAMES: readonly (keyof RunSampling)[] = ['temperature', 'topK', 'topP', 'share'];
const GREEDY: Required<RunSampling> = Object.freeze({ temperature: 0, topK: 0, topP: 1, share: 1 });
const GREEDY_CONTROLS: SamplingControls = Object.freeze({ temperature: 0, topK: 0, topP: 1, seed: 0n });

/** Keep which requests draw and the two halves of their seeds apart. */
const [SHARE, LOW, HIGH] = [0, 1, 2];

/** Those choices, checked and with their defaults: greedy where there are none. */
export function completeRunSampling(given: RunSampling | undefined, faults: Faults): Required<RunSampling> {
  if (given === undefined) return GREEDY;
  faults.names('sampling options', given, NAMES);
  if (typeof given !== 'object' || given === null) return GREEDY;
  const { temperature, topK = 0, topP = 1, share = 1 } = given;
  faults.number('share', share, 0, 1);
  return { ...checkedControls({ temperature, topK, topP }, faults), share };
}

/** How a request of the workload draws its tokens: with a seed of its own, which follows from the run's. */
export function controlsOf(
  { temperature, topK, topP, share }: Required<RunSampling>,
  seed: number,
  request: number,
): SamplingControls {
  if (temperature === 0 || hash32(seed, request, SHARE) >>> 0 >= share * 2 ** 32) return GREEDY_CONTROLS;
  const [low, high] = [LOW, HIGH].map((half) => BigInt(hash32(seed, request, half) >>> 0));
  return { temperature, topK, topP, seed: (high << 32n) | low };
}
