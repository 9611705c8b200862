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
  /** Schedules decodes without token ids, all or none: `count` rows are in the inbox, then the tokens of each. */
  state_schedule_each(count: number): number;
  /** After the step: `tokens` more of the request are computed. */
  state_advance(row: number, tokens: number): number;
  /** The same of several requests, all or none: `count` rows are in the inbox, then the tokens of each. */
  state_advance_each(count: number): number;
  /** Forgets a request, scheduled or not. */
  state_remove(row: number): number;
  /** Schedules nothing. */
  state_clear_schedule(): void;
  /**
   * Continues every decode of the last step. Of `count` of them the inbox has the rows, then with bit 0 of `gives` their accepted drafts,
   * then with bit 1 + g their blocks of group g. Returns the number of decodes.
   */
  state_continue(count: number, gives: number): number;
  /** Tokens of a request that are computed. */
  state_computed(row: number): number;
  /** Counts what this rank's vote says of its batch, cut into `parts`. */
  gather_facts(parts: number): void;
  /** In the checked mode: an EDIT code where a block is written that another request touches. */
  check_shared_blocks(): number;
  /** Builds a staging set in the sizes that `sizeOwn` wrote. */
  build_step(set: number): void;
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
   * Fills choice i32[graphs, count + 1] as `fillLayers` does; layers f64[2, count + 1] is scratch. Returns for how many graphs it
   * found a ladder: if one graph more gains nothing, no further graph does.
   */
  fillBoundedLayers(
    count: number,
    graphs: number,
    costOf: number,
    before: number,
    refused: number,
    layers: number,
    choice: number,
  ): number;
  /**
   * Lists the sizes to try, from entry 1 on. Writes sizes i32[], costOf and before f64[], and refused f64[]: the steps that are too
   * small to run on each size, because it exceeds `permille` / 1000 times their tokens. Reads counts and costs f64[max + 1].
   * Returns how many sizes are listed.
   */
  listBoundedSizes(
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
  /** Writes what `rank`, which voted `row`, does in the step of `decision`. */
  act(decision: number, row: number, rank: number, action: number): void;
  /**
   * Explores up to `budget` tables of `replicas` replicas, and returns how many. `tuple` holds the states of the next table in
   * ascending order, one for each replica, so that tables that differ only in the order of their replicas are explored once; its
   * first word is -1 when no table is left. `rows` holds the votes of a replica's ranks for each of `count` states. `placed` is
   * scratch of `replicas` words. `reached` has a word for each key, and is set to 1 for keys that run. `violations` has
   * `VIOLATION_WORDS` for each property, and keeps the first one found.
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
   * Lets every rank act on `decision`, and returns the properties that this breaks, one bit each. `actions` has `ACTION_WORDS` per rank.
   */
  judge(table: number, ranks: number, decision: number, actions: number): number;
  /** Fills the region `candidates`. `decision` is the one that `resolve` wrote last. */
  explainCandidates(decision: number): void;
  /**
   * Sorts the keys, fills the dispatch table from them, forgets what was found with others, and returns the hash of policy and keys (never 0).
   */
  installPlan(): number;
  /**
   * Fills choice i32[graphs, count + 1] for the `count` listed sizes: for each number of graphs (row 0 is one graph) and each last
   * size, the entry of the size before it, or -1 if there is no such ladder. `layers` f64[3, count + 1] and `queue`
   * i32[count + 1] are scratch.
   */
  fillLayers(
    count: number,
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
   * Lists the sizes to try, from entry 1 on; entry 0 stands for no size. Writes sizes i32[], costOf f64[] (cost of each listed
   * size), before f64[] and required i32[]. Reads counts and costs f64[max + 1] and must i32[max + 1], all by size. Sizes from
   * `twinsFrom` on take two graphs. Returns how many sizes are listed.
   */
  listSizes(
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
   * Writes the sizes of the best ladder of exactly `graphs` graphs to `out`, descending. Returns how many, 0 if there is no ladder.
   */
  readLadder(count: number, graphs: number, twinsFrom: number, sizes: number, choice: number, out: number): number;
  /**
   * Writes the padded tokens, attention requests and query length of `rank` into `local`. In a decode graph every request has a
   * window of the key's query length. Elsewhere tokens are packed, and the query length is 0.
   */
  sizeLocal(decision: number, row: number, rank: number, local: number): void;
  /**
   * Requests before part `part` of a decode graph of `requests`: an equal share, rounded down to whole aligned requests.
   */
  partCut(requests: number, queryLen: number, parts: number, part: number): number;
  /** Tokens of part `part` of equal parts, the last of which takes the rest. Source: vLLM's create_ubatch_slices. */
  partShare(tokens: number, parts: number, part: number): number;
  /**
   * Whether the parts overlap. They do unless they share a resource that exists once and the policy serializes its use.
   */
  partsOverlap(parts: number): number;
  /**
   * Refuses a table whose ranks do not vote on the same step, plan and layout, or that reports a fault; else writes the decision
   * and returns Resolve.Ok. `previous` is the address of the last decision, 0 before the first.
   */
  resolve(table: number, ranks: number, previous: number, decision: number): number;
  /**
   * Refuses a table that a peer or the way here has damaged, on every rank that holds it: Resolve.Ok where each row is sealed, of this
   * step and plan, after the same decision, and has no word out of range. To be asked before `resolve`, which reads rows as they are.
   */
  admit(table: number, ranks: number): number;
  /**
   * Checksum of a decision: of how it runs, its sizes, and the parts it has, with what each rank brings to them. Never 0.
   */
  hashDecision(decision: number): number;
  /**
   * Checksum of all words of a row but the seal, in whose place it takes the rank. Damage within one word always changes it, because each
   * word passes through a bijection of its place before they are added; other damage leaves it as it is once in 2^32 times.
   */
  sealOf(row: number, rank: number): number;
  /** Seals the vote in `row` as that of `rank`, which built the decision with this hash last: 0 before its first. */
  sealVote(row: number, rank: number, decisionHash: number): void;
  /** The first word of a row that no planner of this plan could have written, or -1. */
  wordOutOfRange(row: number): number;
  /**
   * Writes this planner's vote from its facts into its row of the table, as `writeVote` and then `sealVote`, and keeps it: gathering into the table may
   * change the row.
   */
  castVote(
    step: number,
    planHash: number,
    decisionHash: number,
    control: number,
    faultCode: number,
    variant: number,
    graphVeto: number,
    ubatchVeto: number,
  ): void;
  /**
   * Resolves a table that is admitted, as `admit` and then `resolve`: Resolve.Ok, or why either refuses it. This planner has cast its vote.
   */
  resolveSealed(table: number, ranks: number, previous: number, decision: number): number;
  /**
   * Writes the sizes of this planner's own tensors, and returns the hash of `decision`. Writes nothing and returns 0 if the table's row of
   * this rank is not its vote: the decision is then about another batch than the one that would be built.
   */
  sizeHashed(decision: number): number;
  /**
   * The word of a rank's vote that is beyond the limits all ranks share, or -1. Such a vote would size a step that no rank's
   * tensors hold. Parts whose sum is not the tokens break Vote.Part0Tokens.
   */
  brokenLimit(table: number, rank: number): number;
  /**
   * Index in the table of the first word in which a rank differs from the first rank of its replica, or -1. Ranks of one replica
   * schedule the same batch. They may differ only in what each of them can run, which is combined over all ranks.
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
