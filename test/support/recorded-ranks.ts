import {
  type CaptureKey,
  createPlanner,
  decodePlan,
  LOCKSTEP_POLICY,
  type Row,
  type StepPlanner,
} from '../../dist/entry/planner.js';
import {
  type ComparedRecordings,
  compareRecordings,
  decodeRecording,
  openRecorder,
  type Recording,
  type StepRecorder,
} from '../../dist/entry/run.js';
import { VOTE_WORDS } from '../../dist/layout/layout.js';

/** Words of a vote. */
export const WIDTH = VOTE_WORDS.length;
/** Ranks of a group. */
export const RANKS = 4;
/** Limits of its planners. */
export const limits = { maxNumSeqs: 8, maxNumBatchedTokens: 64, maxModelLen: 256, numBlocks: 128, queryLen: 1 };

/** Ranks that step together in this thread, each with a recorder; `sequences` are those of their next all-gathers. */
export class RecordedRanks {
  readonly planners: readonly StepPlanner[];
  readonly recorders: readonly StepRecorder[];
  readonly sequences: number[] = Array.from({ length: RANKS }, () => 1);
  /** Decodes of each rank in a step, 1 to 8. */
  load = 1;
  readonly #rows: readonly (readonly Row[])[];

  static async make(policy = LOCKSTEP_POLICY, steps = 16): Promise<RecordedRanks> {
    const plan: { readonly keys: readonly CaptureKey[] } = decodePlan({ sizes: [1, 2, 4, 8], limits, policy });
    const planners = await Promise.all(
      Array.from({ length: RANKS }, (_, rank) => createPlanner({ limits, policy, plan, rank, ranks: RANKS })),
    );
    return new RecordedRanks(planners, steps);
  }

  private constructor(planners: readonly StepPlanner[], steps: number) {
    this.planners = planners;
    this.recorders = planners.map((planner) => openRecorder({ planner, path: null, steps }));
    this.#rows = planners.map(({ requests }) =>
      Array.from({ length: 8 }, (_, row) =>
        requests.add({ blockIds: Array.from({ length: 15 }, (_, block) => 15 * row + block + 1) }),
      ),
    );
  }

  /** A step in which each rank comes as far as `until` says; one may hold a table with a bit flipped, or vote a fault. */
  step(
    until: (rank: number) => string = () => 'launched',
    flip?: { holder: number; word: number },
    faulty?: number,
  ): void {
    const votes = this.planners.map((planner, rank) => {
      if (until(rank) === 'none') return new Int32Array(WIDTH);
      for (const row of this.#running(rank)) planner.requests.schedule(row, { phase: 'decode', queryLen: 1 });
      return planner.vote(rank === faulty ? { fault: 7 } : {}).slice();
    });
    const table = Int32Array.from(votes.flatMap((row) => [...row]));
    for (const [rank, planner] of this.planners.entries()) {
      const recorder = this.recorders[rank] as StepRecorder;
      const state = until(rank);
      if (state === 'none') continue;
      recorder.voted(this.sequences[rank]++);
      if (state === 'voted') continue;
      planner.table.set(table);
      if (flip?.holder === rank) planner.table[flip.word] ^= 1;
      recorder.gathered();
      if (state === 'gathered') continue;
      planner.build(planner.resolve(planner.table));
      recorder.built();
      for (const row of this.#running(rank)) planner.requests.advance(row, 1);
      if (state === 'built') continue;
      recorder.launched({ inGraphs: 2, eager: 0 });
    }
  }

  #running(rank: number): readonly Row[] {
    return (this.#rows[rank] as readonly Row[]).slice(0, this.load);
  }

  read(): Recording[] {
    return this.recorders.map((recorder, rank) => decodeRecording(recorder.bytes(), `rank ${rank}`));
  }

  compare(): ComparedRecordings {
    return compareRecordings(this.read());
  }

  lose(error = 'ERR_RANK_LOST', ranks: readonly number[] = [0, 1, 2, 3]): void {
    for (const rank of ranks)
      (this.recorders[rank] as StepRecorder).failed(error, (this.sequences[rank] as number) - 1);
  }
}
