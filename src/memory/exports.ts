// Written by scripts/write-exports.mjs from wasm/exports.txt and asc/index.ts.

/** Exports of `metadata.wasm`; every argument is an int32. Edits return a row or 0, or a negative `EDIT` code. */
export interface MetadataExports {
  _initialize(): void;
  /** Empties the batch state and brings every staging tensor under its padding contract. */
  state_init(): void;
  /** Takes a row for a request whose first `computed` tokens are in the blocks in the inbox. Returns the row. */
  state_add(computed: number): number;
  /** Appends the `count` block ids in the inbox to a request's blocks of a KV cache group. */
  state_append(row: number, count: number, group: number): number;
  /** One block of a KV cache group to each of `count` rows, all or none. */
  state_append_each(count: number, group: number): number;
  /** Schedules the next `queryLen` tokens of a request. */
  state_schedule(
    row: number,
    phase: number,
    queryLen: number,
    lastChunk: number,
    tokensGiven: number,
    dependsOn: number,
  ): number;
  /** After the step: `tokens` more of the request are computed. */
  state_advance(row: number, tokens: number): number;
  /** Forgets a request, scheduled or not. */
  state_remove(row: number): number;
  /** Schedules nothing. */
  state_clear_schedule(): void;
  /** Schedules the next token of every decode of the last step. Returns their number. */
  state_continue(): number;
  /** Brings the rows' words up to date. */
  state_settle(): void;
  /** Counts what this rank's vote says of its batch, cut into `parts`. */
  gather_facts(parts: number): void;
  /** In the checked mode: an EDIT code where a block is written that another request touches. */
  check_shared_blocks(): number;
  /** Builds a staging set in the sizes that `sizeOwn` wrote. */
  build_step(set: number): void;
  /** Keeps this rank's row of the table as its vote. */
  keep_vote(): void;
  /** `build_step`, with the decision kept as the previous one and the schedule cleared. */
  end_step(set: number): void;
  /** For comparing with other engines: the whole batch padded to given counts, in the layout of an eager step. */
  build_padded(set: number, paddedTokens: number, attentionRequests: number): void;
  /** For comparing with other engines: a part of the batch of `build_padded`, cut at given tokens. */
  build_cut(
    set: number,
    index: number,
    tokenBegin: number,
    tokenEnd: number,
    paddedTokens: number,
    wholeRequests: number,
  ): void;
  /** The device's copies are unknown: the next steps upload whole rows of every block table again. */
  invalidate_device_table(): void;
  /** The kernels of a step one by one, and what limits them, for measuring: `wasm/kernels.cc`. */
  kernel_decodes(set: number, window: number): void;
  kernel_slots(set: number): void;
  kernel_block_table(set: number): number;
  kernel_paged_kv(set: number): void;
  limit_fill(offset: number, bytes: number): void;
  limit_copy(to: number, from: number, bytes: number): void;
  limit_clear(offset: number, bytes: number): void;
}

/** Exports of `rules.wasm`; every argument is an int32, an address or, where a doc line says so, a double. */
export interface RulesExports {
  /**
   * Writes the candidates from 1 on: sizes i32[], costOf and before f64[] by candidate, and in `refused` f64[] the steps of fewer
   * tokens than `permille` / 1000 times lets run on it. Returns how many there are. `counts`, `costs` f64[max + 1].
   */
  boundedCandidates(
    max: number,
    multiple: number,
    permille: number,
    counts: number,
    costs: number,
    sizes: number,
    costOf: number,
    before: number,
    refused: number,
  ): number;
  /**
   * Fills `choice` i32[graphs, candidates + 1] like `ladderLayers`; `layers` f64[2, candidates + 1] is scratch. Returns for how
   * many graphs: where one more gains nothing, none does.
   */
  boundedLayers(
    candidates: number,
    graphs: number,
    costOf: number,
    before: number,
    refused: number,
    layers: number,
    choice: number,
  ): number;
  /** Writes what `rank`, which voted `row`, does in the step of `decision`. */
  act(decision: number, row: number, rank: number, action: number): void;
  /**
   * Explores up to `budget` tables of `replicas` replicas, and returns how many. `tuple` holds the next table's states in ascending
   * order, one for each replica, so that tables that only differ in which replica is which are met once; its first word is -1 when
   * all are done. `rows`: of each of `count` states the votes of a replica's ranks. `placed`: `replicas` words. `reached`: a word
   * a key. `violations`: `VIOLATION_WORDS` a property, the first found.
   */
  exploreTables(
    rows: number,
    count: number,
    replicas: number,
    tuple: number,
    placed: number,
    previous: number,
    actions: number,
    reached: number,
    violations: number,
    budget: number,
  ): number;
  /**
   * Lets every rank act on `decision`, and returns the properties that this breaks, a bit each. `actions`: `ACTION_WORDS` a rank.
   */
  judge(table: number, ranks: number, decision: number, actions: number): number;
  /** Fills the region `candidates`. `decision` is the one that `resolve` wrote last. */
  explainCandidates(decision: number): void;
  /**
   * Writes the candidates from 1 on, entry 0 being no size: sizes i32[], costOf f64[] by candidate, before f64[], required i32[].
   * `counts`, `costs` f64[max + 1] and `must` i32[max + 1] are by size; those from `twinsFrom` on take two graphs. Returns how many
   * candidates there are.
   */
  ladderCandidates(
    max: number,
    multiple: number,
    twinsFrom: number,
    counts: number,
    costs: number,
    must: number,
    sizes: number,
    costOf: number,
    before: number,
    required: number,
  ): number;
  /**
   * Fills `choice` i32[graphs, candidates + 1]: the candidate before the last, for each number of graphs (from row 0 = 1) and last
   * candidate; -1 where there is no such ladder. `layers` f64[3, candidates + 1] and `queue` i32[candidates + 1] are scratch.
   */
  ladderLayers(
    candidates: number,
    graphs: number,
    twinsFrom: number,
    sizes: number,
    costOf: number,
    before: number,
    required: number,
    layers: number,
    queue: number,
    choice: number,
  ): void;
  /**
   * Writes the sizes of the best ladder of exactly `graphs` graphs, descending, to `out`. Returns how many; 0 where there is none.
   */
  ladderSizes(
    candidates: number,
    graphs: number,
    twinsFrom: number,
    sizes: number,
    choice: number,
    out: number,
  ): number;
  /**
   * Writes the padded tokens, attention requests and query length of `rank` into its local plan. In a decode graph every request
   * has a window of the key's query length; elsewhere tokens are packed, which a query length of 0 says.
   */
  sizeLocal(decision: number, row: number, rank: number, local: number): void;
  /**
   * Sizes this planner's own local plan for `decision`. Returns 0, or, with nothing done, 1 where the table's row of this rank is
   * not its vote: the decision is then about another batch than the one that is built.
   */
  sizeOwn(decision: number): number;
  /** Fills the dispatch table from the keys, and returns the hash of policy and keys (never 0). */
  installPlan(): number;
  /**
   * Refuses a table whose ranks do not speak of the same step, plan and layout (RESOLVE_*), or that reports a fault; else
   * writes the decision. `previous` is the address of the last decision, 0 before the first.
   */
  resolve(table: number, ranks: number, previous: number, decision: number): number;
  /** Requests before part `part` of a graph of `requests`: an equal share, rounded down to whole aligned requests. */
  partCut(requests: number, queryLen: number, parts: number, part: number): number;
  /** Tokens of part `part` of equal ones, of which the last has what is left. Source: vLLM's create_ubatch_slices. */
  partShare(tokens: number, parts: number, part: number): number;
  /** Parts overlap unless they share a resource of which there is one. */
  partsOverlap(parts: number): number;
  /**
   * The word of a rank's vote that is beyond the limits all ranks share, or -1. Such a vote would size a step that no rank's
   * tensors hold. Parts that do not make up the tokens are told as VOTE_PART0_TOKENS.
   */
  brokenLimit(table: number, rank: number): number;
  /**
   * Index in the table of the first word in which a rank differs from the first rank of its replica, or -1. Ranks of one replica
   * schedule the same batch; only what each of them can do is its own, and is ANDed as it is over all ranks.
   */
  replicaOutlier(table: number, ranks: number): number;
  /**
   * Writes the vote of a rank into `row` from its `facts`. A faulty rank keeps its facts in the row, so that the error can
   * say what it held.
   */
  writeVote(
    row: number,
    facts: number,
    step: number,
    planHash: number,
    control: number,
    faultCode: number,
    variant: number,
    graphVeto: number,
    ubatchVeto: number,
  ): void;
}
