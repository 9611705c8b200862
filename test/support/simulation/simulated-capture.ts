import { again, type CaptureOutcome, expectedCapture } from './capture-case.js';
import type { Member } from './group.js';
import type { SimulatedRun } from './simulated-run.js';
import { strike } from './strike.js';

/**
 * A rank's captures: one that a fault and much else may befall, and if that is refused on all ranks, another that nothing does. Each is
 * held against what a single process says of it, and against what the other ranks came to.
 * @throws what ended a capture that was not refused on all ranks.
 */
export async function capture(run: SimulatedRun, rank: number): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    const outcome = await captureOnce(run, rank, attempt);
    if (outcome.how === 'held') return;
    run.captures[attempt + 1] ??= again(run.captures[attempt], outcome.sizes);
  }
}

async function captureOnce(run: SimulatedRun, rank: number, attempt: number): Promise<CaptureOutcome> {
  const { simulation, group, fault } = run;
  const member = group.members[rank];
  const { collective, befall, held } = member;
  const { buffers } = held;
  const { reserves, graphs, givesUp } = run.captures[attempt];
  const gave = givesUp[rank];
  const aborting = new AbortController();
  let looks = 0;
  let gathers = attempt === 0 && fault.step < 0 && rank === fault.culprit ? 0 : Number.NEGATIVE_INFINITY;
  collective.before = async () => {
    await simulation.sleep(simulation.random.uniform() * run.thinkMs);
    if (gathers++ !== fault.gather) return;
    if (fault.kind !== 'caller aborts') {
      await strike(run, member);
      return;
    }
    run.struck();
    aborting.abort();
    // It is as if the rank gave up by itself before the next key, unless it just has.
    if (gave < 0 || gave >= looks) run.captures[0] = { ...run.captures[0], givesUp: givesUp.with(rank, looks) };
  };
  befall.begin(reserves[rank], graphs[rank]);
  const what = `capture ${attempt} of rank ${rank}`;
  try {
    const outcome = await outcomeOf(run, member, { signal: aborting.signal, interrupted: () => looks++ === gave });
    agree(run, attempt, what, outcome);
    const { planHash } = member.planner;
    if (outcome.how === 'held') run.planHash ??= planHash;
    if (outcome.how === 'held' && run.planHash !== planHash)
      group.monitor.fail(`${what} gives another plan than on other ranks`);
    return outcome;
  } finally {
    collective.before = null;
    befall.end();
    const { graphCount } = member.rank.executor;
    if (held.buffers > buffers) group.monitor.fail(`${what} leaves ${held.buffers - buffers} buffers`);
    if (held.graphs > graphCount)
      group.monitor.fail(`${what} leaves ${held.graphs} graphs, of which ${graphCount} serve`);
    if (held.recording) group.monitor.fail(`${what} is half recorded`);
  }
}

/** What a capture of one rank comes to. @throws what is not refused on all ranks alike. */
async function outcomeOf(
  { build }: SimulatedRun,
  { rank, planner, collective }: Member,
  options: Parameters<Member['rank']['capture']>[0],
): Promise<CaptureOutcome> {
  const sizes = (): number[] => planner.plan.keys.map(({ tokens }) => tokens);
  try {
    const { captured } = await rank.capture(options);
    return { how: 'held', sizes: sizes(), captured: captured.length };
  } catch (error) {
    if (!(error instanceof build.LockstepError)) throw error;
    const { code, details } = error;
    // Who makes a rank disposes of what it is made of after it.
    if (code === 'ERR_DISPOSED') collective.dispose();
    if (code !== 'ERR_ABORTED' && code !== 'ERR_CAPTURE_ASYMMETRIC') throw error;
    const { ranks, lacking = [] } = details as { ranks?: number[]; lacking?: { rank: number }[] };
    return { how: 'refused', code, ranks: ranks ?? lacking.map((each) => each.rank), sizes: sizes() };
  }
}

/** Holds what a capture came to against what was to come, and against what it came to on the ranks that were earlier. */
function agree(
  { captures, captured, group }: SimulatedRun,
  attempt: number,
  what: string,
  outcome: CaptureOutcome,
): void {
  const shown = JSON.stringify(outcome);
  const expected = JSON.stringify(expectedCapture(captures[attempt]));
  if (shown !== expected) group.monitor.fail(`${what} comes to ${shown} in place of ${expected}`);
  captured[attempt] ??= shown;
  if (captured[attempt] !== shown)
    group.monitor.fail(`${what} comes to ${shown}, and of another to ${captured[attempt]}`);
}
