import type { Command } from 'commander';
import {
  auditKeys,
  auditSteps,
  auditTraffic,
  type CountedSteps,
  captureCostOfLog,
  countDecodes,
  type DecodeLimits,
  decodeCounts,
  decodesWithin,
  type KeysAudit,
  makePlan,
  planCosts,
  planKeys,
  type TrafficAudit,
} from '../capture/index.js';
import { completeLimits, type Limits } from '../config.js';
import { profilePlan } from '../engines/index.js';
import { readPlanFile } from '../formats/index.js';
import { type CaptureKey, queryLens, runsDecodes } from '../keys/index.js';
import { type EngineName, PLAN_DEFAULTS } from '../names.js';
import { completePolicy, type Policy, padsDecodes } from '../policy/index.js';
import { bytesOf, countOf, grouped, percentOf } from '../text.js';
import type { CaptureCost } from '../workload/index.js';
import { assumedLines, TELLING } from './assumed.js';
import { costSourceOf } from './cost-options.js';
import {
  type EngineFlags,
  type EngineSetting,
  engineLines,
  enginePolicy,
  engineReport,
  engineSetting,
  ladderGiven,
  profileFor,
  saidBy,
  withEngineLimits,
  withEngineRanks,
} from './engine-options.js';
import { EXIT } from './exit.js';
import { checkHtml, writeHtml } from './html.js';
import { interrupts, unlessInterrupted } from './interrupts.js';
import { checkOutputs, checkWritable, inputsOf } from './outputs.js';
import { countedSteps, type PlanFlags } from './plan.js';
import { captureCostOf } from './plan-options.js';
import { limitsOf, type PlannerFlags } from './planner-options.js';
import { type ShowFlags, show, type TableRow } from './show.js';
import { reportLine } from './step-report.js';

/** What the options of `lockstep audit` hold. */
export interface AuditFlags extends PlanFlags, PlannerFlags, EngineFlags, ShowFlags {}

/** What other decode sizes would do on the same traffic. */
interface Alternatives {
  /** As many decode graphs as there are, at the best sizes. */
  readonly sameGraphs: { readonly sizes: readonly number[]; readonly paddingRatio: number } | null;
  /** The fewest decode graphs that pad no more. */
  readonly samePadding: { readonly graphs: number } | null;
}

/** Audits the graphs that the flags say, against the limits and the traffic of a file, and prints what is wrong. Exit 1 for a reachable decode without a full graph. */
export async function audit(file: string | undefined, flags: AuditFlags, command: Command): Promise<void> {
  await unlessInterrupted(() => auditFor(file, flags, command));
}

async function auditFor(file: string | undefined, asGiven: AuditFlags, command: Command): Promise<void> {
  checkHtml(asGiven);
  const { signal } = interrupts;
  const setting = await engineSetting(asGiven, command, signal);
  checkOutputs(
    {
      ...inputsOf(asGiven, setting),
      'the source': file,
      '--steps': asGiven.steps,
      '--log': asGiven.log,
      '--capture-cost': asGiven.captureCost,
    },
    { '--html': asGiven.html },
  );
  await checkWritable([asGiven.html], signal);
  const flags = withEngineRanks(asGiven, setting, command);
  const planFile = flags.plan === undefined ? undefined : await readPlanFile(flags.plan, { signal });
  const limits = completeLimits(limitsOf(withEngineLimits(flags, setting, command), planFile));
  const policy = completePolicy(await enginePolicy(flags, setting, planFile?.policy, signal));
  const ladder = ladderGiven(flags, setting, command);
  const { plan, notes } =
    planFile === undefined
      ? profilePlan({ ladder, limits, policy, twins: flags.twins }, profileFor(policy, setting, flags))
      : { plan: planFile.plan, notes: [] };
  const published = await captureCostOf(flags.captureCost, signal);
  const asked = file !== undefined || flags.trace !== undefined || flags.steps !== undefined || flags.log !== undefined;
  const given = asked || flags.requests !== undefined;
  const steps = given ? await countedSteps(file, flags, limits, policy, setting) : null;
  // What a log itself tells of capturing counts unless something else was asked for, as in a plan.
  const toldCost = command.getOptionValueSource('captureCost') === 'default' ? captureCostOfLog(steps?.log) : null;
  const memory = toldCost ?? published;
  const decoding = { ...limits, draftSchedule: setting?.profile.draftSchedule ?? null };
  const audited = auditKeys(plan.keys, decoding, memory, policy);
  const told = steps === null ? null : await trafficOf(steps, plan.keys, decoding, flags, policy, memory);
  const traffic = told === null ? null : told.audit;
  if (audited.uncovered.length > 0) process.exitCode = EXIT.failed;
  const { maxNumSeqs, maxNumBatchedTokens, queryLen } = limits;
  const json = {
    ...{ schemaVersion: 1, policy: policy.name, ...audited, captureCost: memory.name },
    ...{ limits: { maxNumSeqs, maxNumBatchedTokens, queryLen }, traffic, notes, ...engineReport(setting) },
  };
  const telling = steps === null || steps.log !== undefined ? TELLING.log : TELLING.workload;
  const lines = [
    ...engineLines(setting),
    ...(setting === null ? [reportLine('policy', policy.name)] : []),
    ...notes.map((note) => reportLine('ladder', note)),
    ...assumedLines(command, telling, saidBy(setting)),
    ...serverHint(setting, command),
  ];
  const text = auditReport(audited, memory, traffic, lines, queryLens(plan).length > 1);
  const largestDecode = decodesWithin(decoding).reduce((most, { tokens }) => Math.max(most, tokens), 0);
  const shown = { policy, keys: plan.keys, largestDecode, traffic: told, text, json };
  await writeHtml(flags, ({ auditPage }) => auditPage(audited, shown));
  await show(flags, {
    document: () => json,
    rows: () => auditRows(audited, traffic),
    columns: COLUMNS,
    text: () => text,
  });
}

/** What an engine's server takes where neither its line nor a flag says how many requests a step has. */
function serverHint(setting: EngineSetting | null, command: Command): string[] {
  const said = saidBy(setting).includes('maxNumSeqs') || command.getOptionValueSource('maxNumSeqs') !== 'default';
  const hint = setting === null || said ? undefined : SERVER_HINTS[setting.profile.engine];
  return hint === undefined ? [] : [reportLine('', hint)];
}

const SERVER_HINTS: Readonly<Partial<Record<EngineName, string>>> = {
  vllm: "vLLM's server has 1024 requests on GPUs of 70 GB or more but A100: give --max-num-seqs",
  sglang: 'SGLang finds its running requests by its memory, and its graphs reach as far: give --max-num-seqs',
};

async function trafficOf(
  steps: CountedSteps,
  keys: readonly CaptureKey[],
  limits: Limits & Pick<DecodeLimits, 'draftSchedule'>,
  flags: AuditFlags,
  policy: Policy,
  memory: CaptureCost,
): Promise<{ readonly audit: TrafficAudit & Alternatives; readonly counts: Float64Array }> {
  const { signal } = interrupts;
  const { draftSchedule, ...plain } = limits;
  const costs = await planCosts(plain, false, costSourceOf(flags), signal, policy);
  const rules = { keys, policy, queryLen: limits.queryLen };
  const audited = await auditSteps(steps, costs, rules);
  const decoded = decodeCounts(steps.whole, costs.tokens.length - 1);
  const { counts } = decoded;
  const decodes = keys.filter((key) => runsDecodes(key, policy)).length;
  const { split, sizeMultiple } = PLAN_DEFAULTS;
  const numbers = { sizeMultiple, split, include: [], mixed: false, limits: plain, policy, costs, memory, signal };
  // Other sizes would be of one length of decodes.
  if (draftSchedule && steps.tables !== undefined) {
    const counts = await countDecodes(steps.tables, rules, costs.tokens.length - 1);
    return { audit: { ...audited, sameGraphs: null, samePadding: null }, counts };
  }
  // Other sizes are chosen to be padded to.
  if (audited.decodes === 0 || keys.length === 0 || decodes === 0 || !padsDecodes(policy))
    return { audit: { ...audited, sameGraphs: null, samePadding: null }, counts };
  const planned = await makePlan(steps, { ...numbers, budget: { kind: 'graphs', most: decodes }, beyondLeast: true });
  // The curve is by sizes, and so is what it is held against; the best sizes are scored as those that are audited.
  const { paddingRatio: bySizes } = auditTraffic(keys, decoded, costs, policy);
  const fewest = planned.curve.find(({ paddingRatio }) => paddingRatio <= bySizes);
  const best = await auditSteps(steps, costs, {
    keys: planKeys(planned, plain, policy).keys,
    policy,
    queryLen: limits.queryLen,
  });
  return {
    counts,
    audit: {
      ...audited,
      sameGraphs: { sizes: planned.ladders.decode, paddingRatio: best.paddingRatio },
      samePadding: fewest === undefined ? null : { graphs: fewest.graphs },
    },
  };
}

/** Sizes, with the tokens of a request where graphs of decodes differ in those. */
function graphSizes(graphs: KeysAudit['unreachableGraphs'], severalLengths: boolean): string {
  return graphs
    .map(({ tokens, queryLen }) => (severalLengths && queryLen > 0 ? `${tokens} (${queryLen} a request)` : tokens))
    .join(', ');
}

const COLUMNS = ['finding', 'from', 'to', 'unit', 'meaning'] as const;

/** What is wrong, a finding a row: ranges of decodes without a full graph, then graphs without a use. */
function auditRows({ uncovered, unreachable }: KeysAudit, traffic: TrafficAudit | null): TableRow[] {
  const row = (...[finding, from, to, unit, meaning]: [string, number, number, string, string]): TableRow => ({
    finding,
    from,
    to,
    unit,
    meaning,
  });
  const ofSize = (finding: string, meaning: string) => (size: number) => row(finding, size, size, 'tokens', meaning);
  return [
    ...uncovered.map(({ from, to, run }) =>
      row('uncovered', from, to, 'requests', `decodes run ${run}: no full graph holds them`),
    ),
    ...unreachable.map(ofSize('unreachable', 'no step runs on this graph')),
    ...(traffic?.unused ?? []).map(ofSize('unused', 'no decode of this traffic runs on this graph')),
  ];
}

function auditReport(
  audited: KeysAudit,
  memory: CaptureCost,
  traffic: (TrafficAudit & Alternatives) | null,
  setting: readonly string[],
  severalLengths: boolean,
): string {
  const { graphs, graphBytes, captureSeconds, uncovered, unreachableGraphs, wastedBytes, wastedSeconds, worst } =
    audited;
  const lines = [
    `Audited ${countOf(graphs, 'graph')}: ${uncovered.length > 0 ? 'some decodes have no full graph' : 'every decode has a graph'}`,
    ...setting,
    reportLine('capture', `${bytesOf(graphBytes)}, ${captureSeconds.toFixed(1)} s, by ${memory.name}`),
    ...uncovered.map(({ from, to, run }) =>
      reportLine(
        'uncovered',
        `decodes of ${from === to ? from : `${from} to ${to}`} requests run ${run}: no full graph holds them`,
      ),
    ),
    ...(unreachableGraphs.length > 0
      ? [
          reportLine(
            'unreachable',
            `${graphSizes(unreachableGraphs, severalLengths)} tokens: no step runs on them; ${bytesOf(wastedBytes)} and ${wastedSeconds.toFixed(1)} s of capture`,
          ),
        ]
      : []),
    ...(worst === null
      ? []
      : [
          reportLine(
            'worst',
            `${countOf(worst.tokens, 'token')} on a graph of ${worst.size}, ${percentOf(worst.padding)} padding`,
          ),
        ]),
    reportLine(
      'prefills',
      audited.prefillsUpTo > 0 ? `on graphs up to ${countOf(audited.prefillsUpTo, 'token')}` : 'run eager',
    ),
  ];
  if (traffic !== null) {
    const { decodes, eagerSteps, paddingRatio, unused, sameGraphs, samePadding } = traffic;
    lines.push(
      reportLine(
        'traffic',
        `${grouped(decodes)} decodes, ${grouped(eagerSteps)} of them eager, ${percentOf(paddingRatio)} padding`,
      ),
      ...(unused.length > 0 ? [reportLine('unused', `${unused.join(', ')} tokens: no decode of this traffic`)] : []),
      ...(sameGraphs === null
        ? []
        : [
            reportLine(
              'other sizes',
              `${percentOf(sameGraphs.paddingRatio)} padding with ${sameGraphs.sizes.join(' ')}`,
            ),
          ]),
      ...(samePadding === null ? [] : [reportLine('fewer', `${samePadding.graphs} decode graphs pad no more`)]),
    );
  }
  return `${lines.join('\n')}\n`;
}
