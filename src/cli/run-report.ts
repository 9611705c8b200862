import { type RunSummary, SAMPLED_SHARE } from '../run/index.js';
import { grouped, percentOf } from '../text.js';
import { reportLine, stepHeadline, stepLines } from './step-report.js';

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
      `${grouped(run.graphs)} captured graphs, ${percentOf(run.paddingRatio)} padding of all ranks' tokens`,
    ),
  ];
  lines.push(...(run.model === null ? cacheLines(run) : modelLines(run)));
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

/** What was read back of a cache of token ids, and the first entries found wrong. */
function cacheLines(run: RunSummary): string[] {
  const how =
    run.verify === 'full'
      ? 'every scheduled request after every step'
      : `a seeded share (1 in ${SAMPLED_SHARE}) of the scheduled requests`;
  const verified = `${grouped(run.compared)} KV cache entries read back, ${how}: ${grouped(run.mismatches)} mismatches`;
  return [
    reportLine('verified', verified),
    ...run.firstMismatches.map((wrong) => {
      const { step, request, position, expected, found } = wrong;
      return `    ${rankOf(run, wrong)}, step ${step}: request ${request}, position ${position} holds ${found}, written was ${expected}`;
    }),
  ];
}

/** What a model said beside one eager rank, how fast, and where the time went. */
function modelLines(run: RunSummary): string[] {
  const { model, compared, mismatches, acceptedDrafts, rejectedDrafts, tokensPerSecond, stepSeconds } = run;
  const drafts = acceptedDrafts + rejectedDrafts;
  const { sampling, sampledAcceptedDrafts, sampledRejectedDrafts } = run;
  const sampled = sampledAcceptedDrafts + sampledRejectedDrafts;
  const ofSampled =
    sampled === 0 ? '' : `; of sampled requests ${grouped(sampledAcceptedDrafts)} of ${grouped(sampled)}`;
  const seconds = Object.entries(stepSeconds ?? {}).map(([what, spent]) => `${what} ${spent.toFixed(2)} s`);
  return [
    reportLine(
      'model',
      `${model}${run.async ? ', planned ahead' : ''}: ${grouped(Math.round(tokensPerSecond ?? 0))} tokens/s; ${seconds.join(', ')}`,
    ),
    ...(sampling && sampling.temperature > 0 ? [reportLine('sampling', samplingLine(sampling))] : []),
    ...(drafts === 0
      ? []
      : [reportLine('drafts', `${grouped(acceptedDrafts)} of ${grouped(drafts)} accepted${ofSampled}`)]),
    reportLine('verified', `${grouped(compared)} tokens beside one eager rank's: ${grouped(mismatches)} mismatches`),
    ...run.firstMismatches.map((wrong) => {
      const { step, request, position, expected, found, what } = wrong;
      return `    ${rankOf(run, wrong)}, step ${step}: request ${request}, position ${position}: ${what} is ${found}, not ${expected}`;
    }),
  ];
}

function samplingLine({ temperature, topK, topP, share }: NonNullable<RunSummary['sampling']>): string {
  const kept = [
    ...(topK === 0 ? [] : [`top-k ${topK}`]),
    ...(topP === 1 ? [] : [`top-p ${Number(topP.toPrecision(6))}`]),
  ];
  const whose = share === 1 ? '' : `, of ${percentOf(share)} of the requests; the others are greedy`;
  return [`temperature ${Number(temperature.toPrecision(6))}`, ...kept].join(', ') + whose;
}

function rankOf(run: RunSummary, { rank, process }: { readonly rank: number; readonly process: number }): string {
  return `rank ${rank}${run.processes > run.ranks ? ` (process ${process})` : ''}`;
}

function collectivesOf({ collectives, collectivesReason, collectivesInGraphs, collectivesEager }: RunSummary): string {
  if (collectives === 'none') return `none: ${collectivesReason}`;
  return `${collectives}, ${grouped(collectivesInGraphs)} in graphs, ${grouped(collectivesEager)} eager or between graphs`;
}
