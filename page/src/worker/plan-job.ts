import {
  type CountedSteps,
  captureCostOfLog,
  checkPlanOptions,
  costsOfSteps,
  detectSource,
  engineSteps,
  loggedSteps,
  makePlan,
  PLAN_PHASES,
  planCosts,
  planDefaults,
  planFileText,
  planKeys,
  runsInPieces,
  scheduledSteps,
} from 'lockstep/capture';
import {
  engineCapture,
  namedPolicy,
  type PolicyName,
  profiledPolicy,
  profileLimits,
  type ReadProfile,
  readProfile,
} from 'lockstep/engines';
import { DEFAULT_LIMITS, type Limits, LOCKSTEP_POLICY, type Policy } from 'lockstep/planner';
import {
  captureCost,
  generateWorkload,
  parseCostModel,
  type RequestTable,
  readRequests,
  schedulerLimits,
  traceFacts,
} from 'lockstep/workload';
import { serverLimits } from '../../../dist/engines/index.js';
import { GENERATED_REQUESTS, OBJECTIVE_NAMES, PLAN_DEFAULTS, WORKLOAD_DEFAULTS } from '../../../dist/names.js';
import { withPaddedDecodes } from '../../../dist/policy/index.js';
import { hasCosts } from '../settings/command.js';
import type { PlanSettings } from '../settings/fields.js';
import type { JobProgress, Jobs, PlanAnswer } from './messages.js';
import { bytesOf } from './source.js';

type Show = (progress: JobProgress) => void;

/** Plans, and keeps what it read and counted for the next plan: a slider that changes the graphs alone schedules nothing anew. */
export class PlanJob {
  readonly #requests = new Latest<RequestTable>();
  readonly #steps = new Latest<CountedSteps>();

  /** Errors: those of `lockstep plan`; ERR_ABORTED. */
  async run({ file, settings }: Jobs['plan']['ask'], signal: AbortSignal, show: Show): Promise<PlanAnswer> {
    const begin = performance.now();
    const engine = settings.engine === undefined ? null : engineOf(settings.engine, settings);
    const limits = limitsOf(settings, engine);
    const policy = policyOf(settings, engine);
    const ranks = ranksOf(settings, engine);
    const { split, sizeMultiple } = PLAN_DEFAULTS;
    const numbers = {
      ...planDefaults(
        settings.graphs === undefined ? undefined : { kind: 'graphs', most: settings.graphs },
        limits,
        false,
      ),
      objective: (settings.objective ?? OBJECTIVE_NAMES[0]) as (typeof OBJECTIVE_NAMES)[number],
      ...{ limits, split, sizeMultiple, include: [] },
    };
    checkPlanOptions(numbers);
    const asked = await planCosts(limits, false, costSourceOf(settings), signal, policy);
    const steps = await this.#stepsOf({ file, settings, limits, policy, ranks, engine }, signal, show);
    const document = await makePlan(steps, {
      ...numbers,
      ...{ policy, mixed: false, ranks, signal },
      costs: costsOfSteps(steps, asked),
      memory: captureCostOfLog(steps.log) ?? captureCost(PLAN_DEFAULTS.captureCost),
      pieces: file !== null && steps.kind === 'engine-log' && (await runsInPieces(bytesOf(file), signal)),
      engineProfile: gpuOf(settings),
      engine: engine?.profile,
      onPhase: (phase) => show({ phase, share: PLAN_PHASES.indexOf(phase) / PLAN_PHASES.length }),
    });
    const requests = this.#requests.value;
    return {
      ...{ document, limits, ranks, engine, policy: policy.name },
      trace: steps.kind === 'trace' && requests !== null ? traceFacts(requests) : null,
      incomplete: steps.incomplete ?? null,
      planFile: planFileText(withPaddedDecodes(policy), planKeys(document, limits, policy), limits),
      milliseconds: performance.now() - begin,
    };
  }

  async #stepsOf(
    given: Jobs['plan']['ask'] & { limits: Limits; policy: Policy; ranks: number; engine: ReadProfile | null },
    signal: AbortSignal,
    show: Show,
  ): Promise<CountedSteps> {
    const { file, settings, limits, policy, ranks, engine } = given;
    const { maxNumSeqs, maxNumBatchedTokens, blockSize, numBlocks, maxModelLen, queryLen } = limits;
    const draftSchedule = engine?.profile.draftSchedule ?? null;
    const { seed = WORKLOAD_DEFAULTS.seed, speed = WORKLOAD_DEFAULTS.speed } = settings;
    const scheduler = schedulerLimits({
      ...{ ranks, maxNumSeqs, maxNumBatchedTokens, blockSize, numBlocks, maxModelLen, queryLen },
      ...{ draftSchedule, seed, speed },
    });
    const options = { scheduler, policy, split: PLAN_DEFAULTS.split, signal };
    const read = { requests: settings.requests, seed };
    return await this.#steps.of([file, JSON.stringify({ scheduler, policy, read })], async () => {
      const kind = file === null ? 'trace' : await detectSource(bytesOf(file), signal);
      if (file !== null && kind === 'step-log') return await loggedSteps(bytesOf(file), options);
      if (file !== null && kind === 'engine-log') return await engineSteps(bytesOf(file), options);
      show({ phase: 'reading', share: null });
      const requests = await this.#requests.of([file, JSON.stringify(read)], () => requestsOf(file, read, signal));
      return await scheduledSteps(requests, {
        ...options,
        onProgress: ({ finished }) => show({ phase: 'scheduling', share: finished / requests.length }),
      });
    });
  }
}

/** Keeps the last value that was made, and what it was made from. */
class Latest<T> {
  value: T | null = null;
  #from: readonly unknown[] = [];

  async of(from: readonly unknown[], make: () => T | Promise<T>): Promise<T> {
    if (this.value !== null && from.every((part, index) => part === this.#from[index])) return this.value;
    const value = await make();
    this.#from = from;
    this.value = value;
    return value;
  }
}

function requestsOf(
  file: File | null,
  { requests, seed }: { requests: number | undefined; seed: number },
  signal: AbortSignal,
): RequestTable | Promise<RequestTable> {
  if (file === null) return generateWorkload({ requests: requests ?? GENERATED_REQUESTS, seed });
  return readRequests(bytesOf(file), { signal, ...(requests !== undefined && { limit: requests }) });
}

/** The launch line, with the GPU that the settings name. Errors: those of `readProfile`. */
function engineOf(text: string, settings: PlanSettings): ReadProfile | null {
  if (text.trim() === '') return null;
  const read = readProfile(text, { limits: limitsGiven(settings) });
  const said = { ...gpuOf(settings), ...read.profile };
  return { ...read, profile: { ...serverLimits(said), ...said } };
}

/** As many ranks as are given, else as the launch line has data-parallel ones. */
function ranksOf({ ranks }: PlanSettings, engine: ReadProfile | null): number {
  if (ranks !== undefined) return ranks;
  return engine === null ? WORKLOAD_DEFAULTS.ranks : (engine.profile.dataParallelSize ?? 1);
}

/** The limits that the settings give. */
function limitsGiven({ seqs, tokens, length, query }: PlanSettings): Partial<Limits> {
  const given = { maxNumSeqs: seqs, maxNumBatchedTokens: tokens, maxModelLen: length, queryLen: query };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** The limits that are given, those of the launch line, and the defaults for the rest. */
function limitsOf(settings: PlanSettings, engine: ReadProfile | null): Limits {
  const own = engine === null ? {} : profileLimits(engine.profile);
  return { ...DEFAULT_LIMITS, ...own, ...limitsGiven(settings) } as Limits;
}

function policyOf(settings: PlanSettings, engine: ReadProfile | null): Policy {
  const { policy, ubatches } = settings;
  const asRun = engine === null ? null : { ...engine.profile, ...limitsGiven(settings) };
  const own = asRun === null ? LOCKSTEP_POLICY : engineCapture(asRun).policy;
  const named = policy === undefined ? own : namedPolicy(policy as PolicyName);
  const given = { ...LOCKSTEP_POLICY, ...named, ...(ubatches !== undefined && { ubatches }) };
  return asRun === null ? given : profiledPolicy(given, asRun);
}

function costSourceOf(settings: PlanSettings): Parameters<typeof planCosts>[2] {
  if (!hasCosts(settings)) return null;
  return { ...parseCostModel(`${settings.gpu}:${settings.model}`), tensorParallelSize: settings.tp };
}

/** What a cost model says of the engine's GPU. */
function gpuOf(settings: PlanSettings): {
  gpu?: ReturnType<typeof parseCostModel>['gpu'];
  tensorParallelSize?: number;
} {
  if (!hasCosts(settings)) return {};
  const { gpu } = parseCostModel(`${settings.gpu}:${settings.model}`);
  return { gpu, ...(settings.tp !== undefined && { tensorParallelSize: settings.tp }) };
}
