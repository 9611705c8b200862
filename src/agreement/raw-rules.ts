import { PlannerMemory } from '../batch/index.js';
import { completeLimits, type Limits } from '../config.js';
import { LockstepError } from '../errors.js';
import type { CaptureKey } from '../keys/index.js';
import { ENUMS, FACT_WORDS, LAYOUT_VERSION, nameOf, VOTE_WORDS, word } from '../layout/index.js';
import {
  loadModules,
  type PlannerModules,
  type RegionTable,
  type RulesExports,
  type WasmSource,
} from '../memory/index.js';
import { type CheckedPolicy, completeCheckedPolicy } from '../policy/index.js';
import { DecisionView } from './decision.js';
import { type RefusedTable, tableRefusal } from './vote-table.js';

export type VoteWord = (typeof VOTE_WORDS)[number];
export type FactWord = (typeof FACT_WORDS)[number];

/** Options of `createRawRules`. */
export interface RawRulesOptions {
  readonly limits?: Partial<Limits>;
  /** Keys, installed unchecked: they may include keys that no planner would capture. */
  readonly keys?: readonly CaptureKey[];
  readonly policy?: Partial<CheckedPolicy>;
  readonly ranks?: number;
  readonly replicaSize?: number;
  /** Words of the region `check`. Default 0. */
  readonly checkWords?: number;
  readonly wasm?: Partial<Record<keyof PlannerModules, WasmSource>>;
}

/** Builds raw rules. Errors: ERR_CONFIG_INVALID, ERR_PLAN_CAPACITY. */
export async function createRawRules(options: RawRulesOptions = {}): Promise<RawRules> {
  return new RawRules(await loadModules(options.wasm), options);
}

/**
 * The rules with no batch behind them: votes are written word by word or from facts, and any keys may be installed. It is how
 * other engines' agreements are compared with ours and how the rules are explored; serving uses `StepPlanner`.
 */
export class RawRules {
  readonly limits: Limits;
  readonly policy: CheckedPolicy;
  readonly keys: readonly CaptureKey[];
  readonly ranks: number;
  readonly planHash: number;
  /** int32[ranks, 32], and the row of each rank in it. */
  readonly table: Int32Array<ArrayBuffer>;
  readonly rows: readonly Int32Array<ArrayBuffer>[];
  /** int32[13]: what a rank holds, as `voteFacts` reads it. */
  readonly facts: Int32Array<ArrayBuffer>;
  readonly decision: DecisionView;
  readonly rules: RulesExports;
  readonly regions: RegionTable;
  readonly memory: PlannerMemory;
  readonly #previous: Int32Array;

  constructor(modules: PlannerModules, options: RawRulesOptions = {}) {
    this.limits = completeLimits(options.limits);
    this.policy = completeCheckedPolicy(options.policy);
    this.keys = options.keys ?? [];
    this.ranks = options.ranks ?? 1;
    const plan = { keys: this.keys };
    const { limits, policy, ranks } = this;
    const { replicaSize, checkWords } = options;
    this.memory = new PlannerMemory(modules, {
      limits,
      plan,
      policy,
      rank: 0,
      ranks,
      poison: false,
      ...(replicaSize !== undefined && { replicaSize }),
      ...(checkWords !== undefined && { checkWords }),
    });
    this.rules = this.memory.rules;
    this.regions = this.memory.regions;
    this.planHash = this.memory.installPlan(plan);
    this.table = this.memory.words('votes');
    this.decision = new DecisionView(this.memory.words('decision'));
    this.facts = this.memory.words('facts');
    this.#previous = this.memory.words('previous');
    this.rows = Array.from({ length: ranks }, (_, rank) =>
      this.table.subarray(rank * VOTE_WORDS.length, (rank + 1) * VOTE_WORDS.length),
    );
  }

  /** Writes the row of `rank` word by word; a word that is not given is 0, or the value that every vote of this plan has. */
  writeRow(rank: number, words: Partial<Record<VoteWord, number>>): void {
    const row = this.#row(rank).fill(0);
    row[word(VOTE_WORDS, 'version')] = LAYOUT_VERSION;
    row[word(VOTE_WORDS, 'planHash')] = this.planHash;
    for (const [name, value] of Object.entries(words)) row[word(VOTE_WORDS, name as VoteWord)] = value;
  }

  /** Writes the row of `rank` as a planner with these facts would vote. */
  vote(rank: number, facts: Partial<Record<FactWord, number>>, intent: RawIntent = {}): Int32Array {
    this.facts.fill(0);
    for (const [name, value] of Object.entries(facts)) this.facts[word(FACT_WORDS, name as FactWord)] = value;
    return this.voteFacts(rank, intent);
  }

  /** The same, from the facts already in `facts`. */
  voteFacts(rank: number, intent: RawIntent = NOTHING_SAID): Int32Array {
    const { control = 0, faultCode = 0, variant = 0, graphVeto = 0, ubatchVeto = 0, step = 0 } = intent;
    const row = this.#row(rank);
    this.rules.writeVote(
      row.byteOffset,
      this.facts.byteOffset,
      step,
      this.planHash,
      control,
      faultCode,
      variant,
      graphVeto,
      ubatchVeto,
    );
    return row;
  }

  /**
   * Resolves the table of `step`, after the decision with these words where the policy remembers any. Errors: those of
   * `StepPlanner.resolve`.
   */
  resolve(step = 0, previous?: Int32Array): DecisionView {
    const { table, ranks, limits, rules } = this;
    if (previous !== undefined) this.#previous.set(previous);
    const before = previous === undefined ? 0 : this.#previous.byteOffset;
    const status = rules.resolve(table.byteOffset, ranks, before, this.decision.words.byteOffset);
    if (status === ENUMS.RESOLVE.ok) return this.decision;
    const brokenLimit = (rank: number): number => rules.brokenLimit(table.byteOffset, rank);
    const replicaOutlier = (): number => rules.replicaOutlier(table.byteOffset, ranks);
    const { replicaSize } = this.regions.sizes;
    const rowAt = (rank: number): number => this.rows[rank].byteOffset;
    const wordOutOfRange = (rank: number): number => rules.wordOutOfRange(rowAt(rank));
    const sealOf = (rank: number): number => rules.sealOf(rowAt(rank), rank);
    const refused: RefusedTable = {
      table,
      ranks,
      step,
      limits,
      brokenLimit,
      wordOutOfRange,
      ranges: this.memory.words('voteRanges'),
      sealOf,
      replicaSize,
      replicaOutlier,
    };
    throw tableRefusal(nameOf('RESOLVE', status), refused);
  }

  #row(rank: number): Int32Array<ArrayBuffer> {
    if (!Number.isInteger(rank) || rank < 0 || rank >= this.ranks) {
      throw new LockstepError('ERR_INPUT_INVALID', `rank is ${rank}; there are ${this.ranks}`, { rank });
    }
    return this.rows[rank];
  }
}

const NOTHING_SAID: RawIntent = Object.freeze({});

/** What a raw vote says besides its facts, as numbers of the layout's enums. */
export interface RawIntent {
  readonly step?: number;
  readonly control?: number;
  readonly faultCode?: number;
  readonly variant?: number;
  readonly graphVeto?: number;
  readonly ubatchVeto?: number;
}
