import type { LockstepError } from '../../../dist/errors.js';
import { SLICE_MS } from '../../../dist/wait.js';
import { type End, names, verdictOf } from './faults.js';
import { SETTLE_MS } from './group.js';
import type { SimulatedRun } from './simulated-run.js';

/** Holds the ends of a run against what its fault may lead to, and the recordings against what was done. Throws what is not so. */
export function judge(run: SimulatedRun): void {
  const { fault, group } = run;
  const ends = run.ends as readonly End[];
  judgeAgreedFaults(run);
  const outcomes = ends.map((end) => (end.how === 'error' ? end.error.code : end.how));
  for (const [rank, { recorder }] of group.members.entries()) {
    if (recorder === null) continue;
    const { records } = run.build.decodeRecording(recorder.bytes(), `rank ${rank}`);
    const exact = rank !== fault.culprit || !FROM_OUTSIDE.includes(fault.kind);
    group.monitor.checkRecords(rank, records, exact);
  }
  // A fault may find nothing to happen to, such as a launch in a step that parks.
  const harmless = fault.at < 0 || (fault.kind === 'caller aborts' && outcomes[fault.culprit] === 'left');
  const verdict = verdictOf(harmless ? { ...fault, kind: 'none' } : fault);
  for (const [rank, end] of ends.entries()) {
    const allowed = rank === fault.culprit ? verdict.culprit : verdict.others;
    const told = end.how === 'error' ? `${end.error.code}: ${end.error.message}` : end.how;
    const what = `rank ${rank} ends with ${told}`;
    if (!allowed.includes(outcomes[rank])) throw new Error(`${what} where ${allowed.join(' or ')} was to come`);
    // Of a row that never came, its receiver alone knows whose it was.
    const known = fault.kind === 'message is lost' ? [fault.culprit, fault.other] : [fault.culprit];
    const { error } = end as { error?: LockstepError };
    if (error !== undefined && rank !== fault.culprit && !known.some((each) => names(error, each))) {
      throw new Error(`${what}, which does not name rank ${fault.culprit}`);
    }
    if (verdict.atOnce && end.at > fault.at + atOnce(run)) {
      throw new Error(`${what} ${end.at - fault.at} ms after the fault, with a deadline of ${run.timeoutMs} ms`);
    }
  }
  // Rows of a capture are not recorded: where all ranks refuse one alike, nothing tells whose it was.
  const alike = fault.step < 0 && verdict.others.includes('ERR_RANKS_DIVERGED');
  if (verdict.recorded && !alike) judgeRecordings(run);
}

/**
 * Longest time until all know of a fault: that of two steps without it, or of four all-gathers of a capture, and a slice where a rank left
 * without a word; a tenth of the deadline at most. Unit: milliseconds.
 */
function atOnce({ fault, timeoutMs, thinkMs, delayMs }: SimulatedRun): number {
  const turns = fault.step < 0 ? 4 : 2;
  const unsaid = fault.kind === 'rank dies' || fault.kind === 'rank is disposed of';
  return Math.min(timeoutMs / 10, (unsaid ? SLICE_MS : 0) + turns * (thinkMs + SETTLE_MS + delayMs));
}

/** Kinds whose culprit is ended between two of its own calls, so that nobody sees how far it came in its last step. */
const FROM_OUTSIDE: readonly string[] = ['rank dies', 'rank is disposed of', 'recorder fails'];

/** A fault that a rank votes is an error of that step on all ranks, which names it, and the group goes on. */
function judgeAgreedFaults({ fault, faults }: SimulatedRun): void {
  const voted = fault.kind === 'device fails' || fault.kind === 'caller votes a fault';
  for (const [rank, errors] of faults.entries()) {
    const count = voted && fault.at >= 0 ? 1 : 0;
    if (errors.length !== count)
      throw new Error(`rank ${rank} has ${errors.length} faults of a step, ${count} was voted`);
    for (const error of errors) if (!names(error, fault.culprit)) throw new Error(`${error.message}: another rank`);
    const caused = fault.kind === 'device fails' && rank === fault.culprit;
    for (const { cause } of errors) {
      if ((cause !== undefined) !== caused) throw new Error(`the fault on rank ${rank} has the cause ${cause}`);
    }
  }
}

/** The recordings name the culprit; without its own, they name none that is healthy. */
function judgeRecordings({ build, fault, group }: SimulatedRun): void {
  const recordings = group.members.flatMap(({ recorder }, rank) =>
    recorder === null ? [] : [build.decodeRecording(recorder.bytes(), `rank ${rank}`)],
  );
  const { culprits, behind, missing } = build.compareRecordings(recordings);
  const complete = recordings.some(({ rank }) => rank === fault.culprit);
  if (!complete) return;
  if (culprits.length === 1 && culprits[0] === fault.culprit) return;
  // One that goes on where it should not hears of the end, as the others do: a rank without a recording can have been it.
  const unsure = missing.length > 0 && culprits.length === 0;
  if (unsure && behind.length === 1 && behind[0] === fault.culprit) return;
  throw new Error(`the recordings blame rank ${culprits.join(', ') || 'none'} in place of rank ${fault.culprit}`);
}
