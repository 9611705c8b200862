import type { Policy } from '../policy/index.js';
import { type LoggedShape, type LogObject, loggedRun, loggedVotes } from '../workload/index.js';
import type { LogRun, RanSteps } from './log-run.js';
import { VoteTables } from './vote-tables.js';

/** What the lines of a step log tell beside the shapes of its steps: what each rank held, and on what the decodes ran. */
export class LoggedRuns {
  readonly #policy: Policy;
  /** Undefined before the first line; null where a line does not say what its ranks held, or has another number of ranks. */
  #tables: VoteTables | null | undefined;
  readonly #ran = new Map<string, { -readonly [K in keyof RanSteps]: RanSteps[K] }>();

  constructor(policy: Policy) {
    this.#policy = policy;
    // A log does not say where batches would be cut.
    if (policy.ubatches > 1) this.#tables = null;
  }

  /** What the ranks held; undefined where some line does not say it. */
  get tables(): VoteTables | undefined {
    return this.#tables ?? undefined;
  }

  /** How the decodes ran. A step log has no lines of captures: graphs are those that ran. */
  get summary(): Pick<LogRun, 'ran' | 'graphs' | 'capture'> {
    const ran = [...this.#ran.values()];
    return { ran, graphs: new Set(ran.flatMap(({ size }) => size ?? [])).size, capture: null };
  }

  /** Takes a line and its shape, of which some rank has a request. Returns the number of its table, or -1. */
  add(line: LogObject, { ranks, tokens, prefillRequests }: LoggedShape): number {
    if (prefillRequests === 0) this.#count(line, tokens);
    const votes = this.#tables === null ? null : loggedVotes(line);
    if (this.#tables === undefined) this.#tables = new VoteTables(ranks, this.#policy);
    if (votes === null || this.#tables?.ranks !== ranks) this.#tables = null;
    if (votes === null || this.#tables === null) return -1;
    for (const [rank, vote] of votes.entries()) this.#tables.noteVote(rank, vote);
    return this.#tables.number();
  }

  #count(line: LogObject, tokens: number): void {
    const { size, eager } = loggedRun(line, tokens);
    const name = `${tokens} ${size} ${eager}`;
    const found = this.#ran.get(name);
    if (found === undefined) this.#ran.set(name, { tokens, size, eager, count: 1 });
    else found.count++;
  }
}
