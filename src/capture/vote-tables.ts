import { RawRules, type VoteGroup } from '../agreement/index.js';
import { completeLimits } from '../config.js';
import { type CaptureKey, keyKind } from '../keys/index.js';
import { FACT_WORDS, indexOf, REDUCED_WORDS } from '../layout/index.js';
import { loadModules } from '../memory/index.js';
import { completePolicy, type Policy } from '../policy/index.js';
import { nextTurn } from '../timing.js';
import type { LoggedVote } from '../workload/index.js';

/** Tables that are decided in one turn of the event loop. */
const TURN = 256;

/** How the ranks of a table step. */
export interface TableRun {
  /** Every busy rank only decodes. */
  readonly decode: boolean;
  readonly eager: boolean;
  /** Tokens that a graph has to hold: of one whose rows are decodes its query length for each request, else the real tokens. */
  readonly exact: number;
  /** The size of the step: the graph's, or `exact` where it is eager. */
  readonly size: number;
}

/** Tables and how often each of them occurred, by its number. */
export interface CountedTables {
  /** What the ranks held. */
  readonly tables: VoteTables;
  /** f64[tables]. */
  readonly counts: Float64Array;
}

/** The graphs and the rules that decide tables. */
export interface TableRules {
  /** The graphs that steps may run on. */
  readonly keys: readonly CaptureKey[];
  /** The policy that decides. */
  readonly policy: Policy;
  /** Tokens of a decode. */
  readonly queryLen: number;
}

/**
 * What the ranks held in each step: one entry for steps that held the same, in whatever order of ranks. From it is decided how the steps run
 * under any rules, word for word as a simulation decides them.
 */
export class VoteTables {
  /** Ranks of each table. */
  readonly ranks: number;
  /** How batches were cut when their facts were gathered. */
  readonly #cutting: string;
  readonly #rows: Int32Array[] = [];
  readonly #rowIds: Map<string, number> = new Map();
  readonly #tables: Int32Array[] = [];
  readonly #tableIds: Map<string, number> = new Map();
  readonly #current: number[];

  /** Tables of so many ranks, whose batches are cut as the policy cuts them. */
  constructor(ranks: number, policy: Policy) {
    this.ranks = ranks;
    this.#cutting = cuttingOf(policy);
    this.#current = Array.from({ length: ranks }, () => 0);
  }

  /** Different tables. */
  get length(): number {
    return this.#tables.length;
  }

  /** Notes what a rank of this step holds: the facts that the group wrote its vote from last. */
  note(rank: number, { rules }: VoteGroup): void {
    this.#note(rank, rules.facts.slice());
  }

  /** The same of a logged vote. Its batch is never cut: a log does not say where. */
  noteVote(rank: number, vote: LoggedVote): void {
    const facts = new Int32Array(FACT_WORDS.length);
    for (const name of LOGGED) facts[F[name]] = vote[name];
    facts[F.part0Tokens] = vote.tokens;
    this.#note(rank, facts);
  }

  #note(rank: number, facts: Int32Array): void {
    // No rule reads how long sequences are.
    facts[F.maxSeqLen] = facts[F.maxQueryLen];
    const name = facts.join(' ');
    let row = this.#rowIds.get(name);
    if (row === undefined) {
      row = this.#rows.push(facts) - 1;
      this.#rowIds.set(name, row);
    }
    this.#current[rank] = row;
  }

  /** The number of the table that the rows noted last make. */
  number(): number {
    // Rules do not tell ranks apart.
    const rows = Int32Array.from(this.#current).sort();
    const name = rows.join(' ');
    let table = this.#tableIds.get(name);
    if (table === undefined) {
      table = this.#tables.push(rows) - 1;
      this.#tableIds.set(name, table);
    }
    return table;
  }

  /**
   * How the ranks step in each table of `counts` above 0; null elsewhere, and where no rank has a request. Under a policy that cuts batches
   * otherwise than the one they were counted under, no batch is cut. Nothing is remembered of the step before. Errors: ERR_CONFIG_INVALID, ERR_PLAN_CAPACITY.
   */
  async run(counts: Float64Array, { keys, policy, queryLen }: TableRules): Promise<(TableRun | null)[]> {
    const { ranks } = this;
    const rules = new RawRules(await loadModules(), { limits: this.#limits(queryLen), policy, keys, ranks });
    const reduction = rules.memory.words('reduction');
    const cuts = policy.ubatches > 1 && cuttingOf(policy) === this.#cutting;
    const padded = policy.decodeMatch === 'padded';
    const decided = (table: Int32Array): TableRun | null => {
      for (const [rank, row] of table.entries()) {
        rules.facts.set(this.#rows[row]);
        if (!cuts) withoutCut(rules.facts);
        rules.voteFacts(rank);
      }
      const { run, phase, maxTokens, paddedTokens, captureKey } = rules.resolve();
      if (run === 'park') return null;
      const decode = phase === 'decode';
      const key = captureKey < 0 ? undefined : keys[captureKey];
      const rows = decode && (key === undefined || keyKind(key) === 'decode');
      // Graphs are of several lengths with drafts by batch size, and of decodes without any; no graph at all is of any.
      const length = key?.queryLen ?? (padded ? queryLen : null);
      const exact = rows && length !== null ? reduction[R.decodeRequests] * length : maxTokens;
      return { decode, eager: run === 'eager', exact, size: run === 'eager' ? exact : Math.max(exact, paddedTokens) };
    };
    const runs: (TableRun | null)[] = [];
    for (const [number, table] of this.#tables.entries()) {
      if (number % TURN === TURN - 1) await nextTurn();
      runs.push(counts[number] > 0 ? decided(table) : null);
    }
    return runs;
  }

  /** The least limits that hold every table. */
  #limits(queryLen: number): ReturnType<typeof completeLimits> {
    let [requests, tokens, longest] = [1, queryLen, 1];
    for (const facts of this.#rows) {
      requests = Math.max(requests, facts[F.prefillRequests] + facts[F.decodeRequests]);
      tokens = Math.max(tokens, facts[F.tokens]);
      longest = Math.max(longest, facts[F.maxQueryLen]);
    }
    return completeLimits({
      maxNumSeqs: requests,
      maxNumBatchedTokens: tokens,
      maxModelLen: Math.max(longest, queryLen),
      queryLen,
    });
  }
}

/** Adds up how steps ran. */
export function scoreRuns(
  runs: readonly (TableRun | null)[],
  counts: Float64Array,
  cost: ArrayLike<number>,
  mixed: boolean,
): { readonly ratio: number; readonly eagerSteps: number } {
  const of = (size: number): number => cost[Math.min(size, cost.length - 1)];
  let [exactCost, padding, eagerSteps] = [0, 0, 0];
  for (const [number, run] of runs.entries()) {
    if (run === null || (!run.decode && !mixed)) continue;
    if (run.eager) {
      eagerSteps += counts[number];
      continue;
    }
    exactCost += counts[number] * of(run.exact);
    padding += counts[number] * (of(run.size) - of(run.exact));
  }
  return { ratio: padding > 0 ? padding / exactCost : 0, eagerSteps };
}

/** Complete policies that cut batches alike have the same text. */
function cuttingOf(policy: Policy): string {
  const { ubatches, split } = completePolicy(policy);
  return `${ubatches} ${split}`;
}

function withoutCut(facts: Int32Array): void {
  facts[F.canSplit] = 0;
  facts[F.sharedBlock] = 0;
  facts[F.part0Tokens] = facts[F.tokens];
  facts[F.part1Tokens] = 0;
  facts[F.part2Tokens] = 0;
  facts[F.part3Tokens] = 0;
}

/** The facts that a logged vote says. */
const LOGGED = [
  'tokens',
  'prefillRequests',
  'decodeRequests',
  'uniformQueryLen',
  'maxQueryLen',
  'maxDecodeQueryLen',
] as const satisfies readonly (keyof LoggedVote)[];

const F = indexOf(FACT_WORDS);
const R = indexOf(REDUCED_WORDS);
