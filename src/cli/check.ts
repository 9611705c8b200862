import { stripVTControlCharacters } from 'node:util';
import type { Command } from 'commander';
import {
  type CheckedPair,
  type CheckReport,
  checkPolicy,
  HISTORICAL,
  historicalPolicy,
  PROPERTY_MEANINGS,
  planDomain,
  standardDomain,
  traceText,
  type Violation,
} from '../check/index.js';
import { withoutUndefined } from '../checks.js';
import { engineCapture, policyNames, profiledPolicy } from '../engines/index.js';
import { LockstepError } from '../errors.js';
import { readCheckedPlanFile, readPolicy } from '../formats/index.js';
import { type CheckedPolicy, completeCheckedPolicy, LOCKSTEP_POLICY } from '../policy/index.js';
import { countOf, grouped } from '../text.js';
import { type EngineSetting, engineLines, engineReport, engineSetting } from './engine-options.js';
import { EXIT } from './exit.js';
import { checkHtml, type HtmlFlags, writeHtml } from './html.js';
import { interrupts } from './interrupts.js';
import { checkOutputs, checkWritable, inputsOf } from './outputs.js';
import { paint } from './paint.js';
import { Progress } from './progress.js';
import { type ShowFlags, show } from './show.js';

interface CheckFlags extends HtmlFlags, ShowFlags {
  readonly policy?: string;
  readonly engine?: string;
  readonly engineConfig?: string;
  readonly ranks: number;
  readonly replicaSize: number;
  readonly workers?: number;
  readonly ubatches?: number;
  readonly piecewise: boolean;
  readonly plan?: string;
  readonly fixed?: boolean;
  readonly list?: boolean;
  readonly maxNumSeqs?: number;
  readonly maxNumBatchedTokens?: number;
}

/** Prints the policies there are. */
export async function list(flags: ShowFlags & HtmlFlags): Promise<void> {
  if (flags.html !== undefined || flags.open === true) {
    throw new LockstepError(
      'ERR_CONFIG_INVALID',
      '--list lists policies, of which there is no page; leave --html and --open out',
      {
        options: ['--list', '--html'],
      },
    );
  }
  const policies = [
    ...policyNames().map((name) => ({ name, historical: false, expects: [] as string[], about: '' })),
    ...HISTORICAL.map(({ name, expects, about }) => ({ name, historical: true, expects: [...expects], about })),
  ];
  const width = Math.max(...policies.map(({ name }) => name.length));
  const line = ({ name, expects, about }: (typeof policies)[number]): string =>
    `${name.padEnd(width)}${expects.length > 0 ? `  violates ${expects.join(', ')}: ${about}` : ''}`.trimEnd();
  await show(flags, {
    document: () => ({ schemaVersion: 1, policies }),
    rows: () => policies.map((policy) => ({ ...policy, expects: policy.expects.join(' ') })),
    text: () => policies.map((policy) => `${line(policy)}\n`).join(''),
  });
}

/** Explores what the flags say, and prints what holds. */
export async function check(flags: CheckFlags, command: Command): Promise<void> {
  checkHtml(flags);
  const { output } = flags;
  if (output !== undefined && output !== 'json') {
    throw new LockstepError(
      'ERR_CONFIG_INVALID',
      `--output ${output} prints rows, which --list has; without it there is --json`,
      {
        options: ['--output', '--list'],
      },
    );
  }
  const defaultPolicy = command.getOptionValueSource('policy') === 'default';
  const setting = await engineSetting(flags, command, interrupts.signal);
  checkOutputs(inputsOf(flags, setting), { '--html': flags.html });
  await checkWritable([flags.html], interrupts.signal);
  const pair = await pairOf(flags, defaultPolicy, setting);
  const progress = new Progress('states | {percentage} %', 1);
  let report: CheckReport;
  try {
    report = await checkPolicy({
      pair,
      ranks: flags.ranks,
      replicaSize: flags.replicaSize,
      ...(flags.workers !== undefined && { workers: flags.workers }),
      signal: interrupts.signal,
      onProgress: ({ states, total }) => progress.show(states, {}, total),
    });
  } finally {
    // A running bar would keep the process alive.
    progress.stop();
  }
  const json = { schemaVersion: 1, ...report, ...engineReport(setting) };
  const said = [...headOf(setting), ...text(report)].join('\n');
  await writeHtml(flags, ({ checkPage }) => checkPage(report, { text: stripVTControlCharacters(said), json }));
  await show(flags, { document: () => json, rows: () => [], text: () => `${said}\n` });
  if (report.violations.length > 0) process.exitCode = EXIT.failed;
  if (interrupts.exitCode !== null) process.exitCode = interrupts.exitCode;
}

/** What the flags say to explore. Errors: ERR_CONFIG_INVALID, ERR_INPUT_INVALID. */
async function pairOf(flags: CheckFlags, defaultPolicy: boolean, setting: EngineSetting | null): Promise<CheckedPair> {
  const { signal } = interrupts;
  const name = flags.policy ?? LOCKSTEP_POLICY.name;
  const before = historicalPolicy(name);
  if (flags.fixed === true && before === undefined) {
    throw new LockstepError(
      'ERR_CONFIG_INVALID',
      `--fixed goes with a historical policy, and ${name} is not one: see --list`,
      { policy: name },
    );
  }
  const { ubatches, piecewise, maxNumSeqs, maxNumBatchedTokens } = flags;
  const ofEngine = flags.plan === undefined && before === undefined && setting !== null;
  const standard = flags.plan === undefined && before === undefined && !ofEngine;
  if ((!standard && !piecewise) || (!standard && !ofEngine && ubatches !== undefined)) {
    throw new LockstepError(
      'ERR_CONFIG_INVALID',
      '--ubatches and --no-piecewise go with the standard domain: a plan, an engine and a historical policy have their own',
    );
  }
  if (ofEngine) return engineDomain(flags, setting, defaultPolicy ? undefined : await readPolicy(name, { signal }));
  if (flags.plan === undefined) {
    if (maxNumSeqs !== undefined || maxNumBatchedTokens !== undefined) {
      throw new LockstepError(
        'ERR_CONFIG_INVALID',
        '--max-num-seqs and --max-num-batched-tokens go with --plan and --engine: the standard domain has its own',
      );
    }
    if (before !== undefined) return before.pair(flags.fixed === true ? 'fixed' : 'before');
    return standardDomain(await readPolicy(name, { signal }), {
      piecewise,
      ...(ubatches !== undefined && { ubatches }),
    });
  }
  const file = await readCheckedPlanFile(flags.plan, { signal });
  const policy = defaultPolicy
    ? file.policy
    : completeCheckedPolicy(before?.policy ?? (await readPolicy(name, { signal })));
  return planDomain(policy, file.plan, {
    ...(file.queryLen !== undefined && { queryLen: file.queryLen }),
    ...(maxNumSeqs !== undefined && { maxNumSeqs }),
    ...(maxNumBatchedTokens !== undefined && { maxNumBatchedTokens }),
  });
}

/** What the engine captures as it is run, under its own policy or the one given, within its own limits. */
function engineDomain(
  { maxNumSeqs, maxNumBatchedTokens, ubatches }: CheckFlags,
  { profile }: EngineSetting,
  given: Partial<CheckedPolicy> | undefined,
): CheckedPair {
  const limits = withoutUndefined({ maxNumSeqs, maxNumBatchedTokens, ubatches });
  const asRun = { ...profile, ...limits };
  const { keys, policy, profile: complete } = engineCapture(asRun);
  const most = { maxNumSeqs: complete.maxNumSeqs, maxNumBatchedTokens: complete.maxNumBatchedTokens };
  const asked = given && { ...profiledPolicy(given, asRun), ...(ubatches !== undefined && { ubatches }) };
  return planDomain(completeCheckedPolicy(asked ?? policy), { keys }, { ...most, queryLen: complete.queryLen });
}

/** The lines that name the engine, in this report's columns. */
function headOf(setting: EngineSetting | null): string[] {
  return engineLines(setting).map((line) => line.trim().replace(/^(.+?) {2,}/, (_, label: string) => label.padEnd(12)));
}

function text(report: CheckReport): string[] {
  const { policy, domain, states, seconds, complete } = report;
  const rate = grouped(states / seconds);
  const inReplicas = domain.replicaSize > 1 ? ` in replicas of ${domain.replicaSize}` : '';
  const held = inReplicas === '' ? 'local states' : 'states of a replica';
  const scope = `${domain.localStates} ${held}, ${domain.keys} keys, up to ${report.ranks} ranks${inReplicas}`;
  return [
    `policy      ${policy} (${countOf(domain.ubatches, 'micro-batch', 'micro-batches')}, thresholds ${domain.thresholds.join(' and ')}${domain.hysteresis ? ', hysteresis' : ''})`,
    `domain      ${scope}; up to ${domain.maxNumSeqs} requests and ${domain.maxNumBatchedTokens} tokens a rank`,
    `explored    ${grouped(states)} states in ${seconds.toFixed(1)} s (${rate} a second)${complete ? ', all of them' : ', not all: interrupted'}`,
    '',
    ...report.properties.map((property) => verdict(property, report)),
    ...report.violations.flatMap(counterexample),
  ];
}

function verdict(property: keyof typeof PROPERTY_MEANINGS, { violations, complete }: CheckReport): string {
  const violated = violations.some((violation) => violation.property === property);
  const told = violated ? paint('red', 'violated') : complete ? paint('green', 'holds   ') : 'not seen';
  return `${property.padEnd(4)} ${told}  ${PROPERTY_MEANINGS[property]}`;
}

function counterexample({ property, ranks, trace }: Violation): string[] {
  return ['', paint('red', `${property}, ${ranks === 1 ? 'one rank' : `${ranks} ranks`}`), ...traceText(trace)];
}
