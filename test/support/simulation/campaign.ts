import type { Build } from './build.js';
import type { CaptureOutcome } from './capture-case.js';
import { type RunOptions, simulate } from './simulated-run.js';

/** What the runs of many seeds came to. */
export interface Campaign {
  readonly runs: number;
  /** Steps of the group: those of its ranks, by their number. */
  readonly steps: number;
  readonly parks: number;
  /** Runs by the fault that happened in them. */
  readonly kinds: ReadonlyMap<string, number>;
  /** What the captures came to: keys held of how many in the plans, or the code of what ended it. */
  readonly captured: ReadonlyMap<string, number>;
  /** The run that broke a law; null where none did. */
  readonly failure: Error | null;
}

/** Where a campaign ends: after so many runs, or steps of the group, whichever comes first. */
export interface CampaignEnd {
  readonly runs?: number;
  readonly steps?: number;
  /** Called about every ten seconds with the steps so far. */
  readonly onProgress?: (steps: number, seed: number) => void;
}

/** Runs seeds from `seed` on, one after the other, until the end or the first that breaks a law. */
export async function campaign(
  build: Build,
  seed: number,
  { runs = Number.POSITIVE_INFINITY, steps = Number.POSITIVE_INFINITY, onProgress }: CampaignEnd,
  options: RunOptions = {},
): Promise<Campaign> {
  const kinds = new Map<string, number>();
  const captured = new Map<string, number>();
  const sum = { runs: 0, steps: 0, parks: 0 };
  let told = performance.now();
  for (; sum.runs < runs && sum.steps < steps; sum.runs++) {
    try {
      const { fault, rankSteps, parks, ends, captured: outcomes } = await simulate(build, seed + sum.runs, options);
      sum.steps += rankSteps / ends.length;
      sum.parks += parks;
      const kind = fault.at < 0 ? 'none' : fault.kind;
      kinds.set(kind, 1 + (kinds.get(kind) ?? 0));
      for (const outcome of outcomes) {
        const { how, code, sizes } = JSON.parse(outcome) as CaptureOutcome & { code?: string };
        const what = code ?? `${how} ${sizes.length}`;
        captured.set(what, 1 + (captured.get(what) ?? 0));
      }
    } catch (error) {
      return { ...sum, kinds, captured, failure: error as Error };
    }
    if (onProgress === undefined || performance.now() - told < 10_000) continue;
    told = performance.now();
    onProgress(sum.steps, seed + sum.runs);
  }
  return { ...sum, kinds, captured, failure: null };
}
