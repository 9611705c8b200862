import type { ReasonCode } from '../agreement/index.js';
import type { CaptureStage } from '../recorder/index.js';
import type { ComparedRecordings, LastStep, Rederived, ReplayedLog } from '../replay/index.js';
import { countOf, grouped, percentOf } from '../text.js';
import type { TableRow } from './show.js';
import { reasonLine, reportLine } from './step-report.js';

/** A rank's recording, derived again. */
export interface DerivedRank extends Rederived {
  readonly rank: number;
  /** Steps that were begun; the recording keeps the last of them. */
  readonly begun: number;
  /** Whether its recorder was disposed of; null where the recording does not say. */
  readonly ended: boolean | null;
}

/** Where each recording ends, and what became of its decisions, a rank a row. */
export function recordingRows({ last }: ComparedRecordings, derived: readonly DerivedRank[]): TableRow[] {
  return last.map(({ rank, step, sequence, state, error, vote }) => {
    const again = derived.find((each) => each.rank === rank);
    return {
      ...{ rank, step, sequence, state, error },
      ...{ voted: vote?.control ?? null, tokens: vote?.tokens ?? null },
      ended: again?.ended ?? null,
      derived: again?.derived ?? 0,
      skipped: again?.skipped ?? 0,
      differing: again?.differing.length ?? 0,
    };
  });
}

/** What recordings say, for people. */
export function recordingsReport(compared: ComparedRecordings, derived: readonly DerivedRank[]): string {
  const { ranks, missing, last, difference } = compared;
  const skipped = derived.reduce((sum, each) => sum + each.skipped, 0);
  const steps = derived.reduce((sum, each) => sum + each.derived, 0);
  const wrong = derived.flatMap(({ rank, differing }) => differing.map((each) => ({ rank, ...each })));
  const lines = [
    `${grouped(last.length)} of ${countOf(ranks, 'rank')} recorded, ${countOf(steps, 'decision')} derived again, ${grouped(wrong.length)} differ`,
    ...last.map((each) => reportLine(`rank ${each.rank}`, lastLine(each))),
  ];
  if (skipped > 0)
    lines.push(
      reportLine(
        'skipped',
        `${countOf(skipped, 'step')} that did not come to a decision, or whose plan is not recorded`,
      ),
    );
  const open = derived.filter(({ ended }) => ended === false).map(({ rank }) => rank);
  if (open.length > 0)
    lines.push(reportLine('not ended', `rank ${open.join(', ')}: the process was killed, or still runs`));
  if (missing.length > 0) lines.push(reportLine('missing', `rank ${missing.join(', ')}`));
  for (const { rank, step, refused } of wrong.slice(0, 5)) {
    const why =
      refused === null
        ? 'built another decision than the rules derive from its table'
        : `its table is refused: ${refused}`;
    lines.push(reportLine('wrong', `rank ${rank} in step ${step} ${why}`));
  }
  if (difference !== null) lines.push(reportLine('difference', `in step ${difference.step}: ${difference.detail}`));
  if (compared.culprits.length > 0) lines.push(reportLine('at fault', `rank ${compared.culprits.join(', ')}`));
  lines.push(reportLine('first', firstLine(compared)));
  return `${lines.join('\n')}\n`;
}

function firstLine({ first, behind, apart }: ComparedRecordings): string {
  if (first !== null) return `rank ${first.rank} left step, at all-gather ${first.sequence}`;
  if (apart) return 'not known: the recordings end more than one step apart, as those read while their ranks run do';
  if (behind.length === 0) return 'no rank left step before the others';
  return `not known; ${behind.length === 1 ? 'rank' : 'ranks'} ${behind.join(', ')} came less far than the others`;
}

const CAME: Record<LastStep['state'], string> = {
  voted: 'voted and waited for its peers',
  gathered: 'had the table',
  built: 'had built its tensors',
  launched: 'ended the step',
};

const AGREED: Record<CaptureStage, string> = {
  keys: 'the keys that all ranks have',
  'warm-up': 'the warm-up of key',
  capture: 'the capture of key',
  held: 'the graphs of key',
};

function lastLine(last: LastStep): string {
  const { step, sequence, refused, error, capture, vote } = last;
  const ended = error === null ? '' : `, then ${error}`;
  const came = `all-gather ${sequence}: ${refused ? 'did not enter' : capture === null ? CAME[last.state] : captureCame(last)}${ended}`;
  if (vote === null) return `capture before step ${step}, ${came}`;
  const held = `${countOf(vote.tokens, 'token')}, ${countOf(vote.decodes, 'decode')}, ${countOf(vote.prefills, 'prefill')}`;
  return `step ${step}, ${came} (voted ${vote.control}: ${held})`;
}

function captureCame({ state, capture }: LastStep): string {
  if (capture === null || state === 'launched') return 'ended the capture';
  const what = `${AGREED[capture.stage]}${capture.key === null ? '' : ` ${capture.key}`}`;
  return state === 'voted' ? `waited for its peers, to agree on ${what}` : `went on once all agreed on ${what}`;
}

/** What became of a log's steps, for people. */
export function logReport(
  replayed: ReplayedLog,
  { policy, graphs, costModel, costKnown }: { policy: string; graphs: number; costModel: string; costKnown: boolean },
): string {
  const { ranks, lines, steps, graphSteps, eagerSteps, compared, different, first, timeRatio, loggedTimeRatio } =
    replayed;
  const text = [
    `Decided ${countOf(lines, 'step')} of ${countOf(ranks, 'rank')} again: ${grouped(graphSteps)} on graphs, ${grouped(eagerSteps)} eager, ${grouped(lines - steps)} parked`,
    reportLine('policy', `${policy}, ${countOf(graphs, 'graph')}`),
    reportLine(
      'compared',
      compared === 0
        ? 'nothing: the log has no decisions'
        : `${grouped(different)} of ${countOf(compared, 'decision')} differ`,
    ),
  ];
  if (first !== null) {
    const what = Object.entries(first.differs).map(
      ([name, { logged, derived }]) => `${name} ${JSON.stringify(logged)}, here ${JSON.stringify(derived)}`,
    );
    text.push(reportLine('first', `line ${first.line}, step ${first.step}: ${what.join('; ')}`));
  }
  if (costKnown) {
    const logged = loggedTimeRatio === null ? '' : `, ${percentOf(loggedTimeRatio)} as logged`;
    text.push(reportLine('cost', `${percentOf(timeRatio)} more time by padding${logged} (${costModel})`));
  }
  const reasons = (Object.entries(replayed.reasons) as [ReasonCode, number][]).sort((a, b) => b[1] - a[1]);
  text.push(...reasons.map(reasonLine));
  return `${text.join('\n')}\n`;
}
