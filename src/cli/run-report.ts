import { type RunSummary, SAMPLED_SHARE } from '../run/index.js';
import { count, percent, reportLine, stepHeadline, stepLines } from './step-report.js';

/** The summary of a run as people read it. `setting`: lines that say what was run. */
export function runReport(run: RunSummary, setting: readonly string[]): string {
  // The devices that `auto` passed over, and why, make a long text: `lockstep doctor` prints it.
  const fellBack = run.deviceChoice.startsWith('host, since ');
  const lines = [
    stepHeadline('Ran', run),
    reportLine('device', fellBack ? `${run.device}: no GPU found (lockstep doctor says why)` : run.deviceChoice),
    reportLine('collectives', collectivesOf(run)),
    reportLine('ranks', `${run.transport}, policy ${run.policy}, seed ${run.seed}`),
    ...setting,
    ...stepLines(
      run,
      `${count(run.graphs)} captured graphs, ${percent(run.paddingRatio)} padding of all ranks' tokens`,
    ),
  ];
  const how =
    run.verify === 'full'
      ? 'every scheduled request after every step'
      : `a seeded share (1 in ${SAMPLED_SHARE}) of the scheduled requests`;
  lines.push(
    reportLine(
      'verified',
      `${count(run.compared)} KV cache entries read back, ${how}: ${count(run.mismatches)} mismatches`,
    ),
  );
  for (const { rank, process, step, request, position, expected, found } of run.firstMismatches) {
    lines.push(
      `    rank ${rank}${run.processes > run.ranks ? ` (process ${process})` : ''}, step ${step}: request ${request}, position ${position} holds ${found}, written was ${expected}`,
    );
  }
  lines.push(
    reportLine(
      'agreement',
      run.diverged === 0
        ? 'every rank took the same decisions'
        : `${run.diverged} ranks took other decisions than rank 0`,
    ),
  );
  return `${lines.join('\n')}\n`;
}

function collectivesOf({ collectives, collectivesReason, collectivesInGraphs, collectivesEager }: RunSummary): string {
  if (collectives === 'none') return `none: ${collectivesReason}`;
  return `${collectives}, ${count(collectivesInGraphs)} in graphs, ${count(collectivesEager)} eager or between graphs`;
}
