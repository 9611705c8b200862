import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import {
  assertShapeContract,
  type DecisionValue,
  DecisionView,
  type KvGroup,
  kvGroupsOf,
  LockstepError,
  type Row,
  StepPlanner,
  type VoteIntent,
} from '../../dist/planner/index.js';
import { DECISION_WORDS, word } from '../../dist/planner/layout.js';
import type { PlannerModules } from '../../dist/planner/modules.js';
import { PlainBatch, type PlainChunk, type PlainEntry, type PlainRequest } from '../oracles/batch-oracle.js';
import { buildGroupsPlain } from '../oracles/kv-groups-oracle.js';
import type { PlainStep } from '../oracles/metadata-oracle.js';
import { resolvePlain } from '../oracles/resolve-oracle.js';
import { partTokens, tableOf, type VotedChunk, type VoteRecord, votePlain } from '../oracles/vote-oracle.js';
import { differenceFromPlain, filledForDevice, groupDifference } from './planner-compare.js';
import type { PlannerSetup } from './planner-setup.js';

/** One edit, said with numbers that mean something in any state: `pick` chooses among what there is. */
export interface Edit {
  readonly kind: 'add' | 'schedule' | 'append' | 'advance' | 'remove' | 'preempt' | 'refused';
  readonly pick: number;
  readonly amount: number;
  readonly flag: boolean;
}

export interface PeerBatch {
  readonly kind: 'idle' | 'decode' | 'mixed';
  readonly lengths: readonly number[];
  readonly intent: VoteIntent;
}

export interface SessionStep {
  readonly edits: readonly Edit[];
  /** Nobody has a prefill in this step. */
  readonly decodeOnly: boolean;
  readonly peers: readonly PeerBatch[];
  readonly intent: VoteIntent;
  readonly ending: 'build' | 'abandon-vote' | 'abandon-decision' | 'fault';
  /** After the build, what was scheduled counts as computed, as in serving. */
  readonly advance: boolean;
  /** Before the edits, the last step's decodes are continued: at once, or after they were given the blocks they need. */
  readonly continues: 'no' | 'at once' | 'fed';
  /** The step's upload never reaches the device. */
  readonly lost: boolean;
}

const small = fc.nat(1 << 12);

const intentArbitrary: fc.Arbitrary<VoteIntent> = fc.oneof(
  { weight: 12, arbitrary: fc.constant({}) },
  { weight: 1, arbitrary: fc.constantFrom<VoteIntent>({ graphVeto: 'other' }, { graphVeto: 'embeddings-override' }) },
  { weight: 1, arbitrary: fc.constantFrom<VoteIntent>({ ubatchVeto: 'shared-block' }, { variant: 1 }) },
  { weight: 1, arbitrary: fc.constant({ leave: true }) },
);

const editArbitrary: fc.Arbitrary<Edit> = fc.record({
  kind: fc.constantFrom<Edit['kind'][]>(
    'add',
    'add',
    'add',
    'schedule',
    'schedule',
    'schedule',
    'schedule',
    'schedule',
    'append',
    'append',
    'advance',
    'remove',
    'preempt',
    'refused',
    'refused',
  ),
  pick: small,
  amount: small,
  flag: fc.boolean(),
});

export const peerArbitrary: fc.Arbitrary<PeerBatch> = fc.record({
  kind: fc.constantFrom('idle', 'decode', 'decode', 'decode', 'mixed'),
  lengths: fc.array(fc.nat(40), { maxLength: 7 }),
  intent: intentArbitrary,
});

/** Steps of a session, whatever the setup: peers beyond its ranks are left out. */
export const sessionArbitrary: fc.Arbitrary<SessionStep[]> = fc.array(
  fc.record({
    edits: fc.array(editArbitrary, { maxLength: 12 }),
    decodeOnly: fc.boolean(),
    peers: fc.array(peerArbitrary, { minLength: 4, maxLength: 4 }),
    intent: intentArbitrary,
    ending: fc.constantFrom<SessionStep['ending'][]>(
      'build',
      'build',
      'build',
      'build',
      'build',
      'build',
      'build',
      'abandon-vote',
      'abandon-decision',
      'fault',
    ),
    advance: fc.boolean(),
    continues: fc.constantFrom('no', 'at once', 'fed', 'fed'),
    lost: fc.integer({ min: 0, max: 9 }).map((value) => value === 0),
  }),
  { minLength: 1, maxLength: 7 },
);

/** What a step came to. `plain` is undefined where all ranks park. */
export interface SessionResult {
  readonly decision: DecisionValue;
  readonly entries: readonly PlainEntry[];
  readonly votes: readonly VoteRecord[];
  readonly plain: PlainStep | undefined;
  /** The step of each KV cache group, `plain` being the first's; undefined where all ranks park. */
  readonly groups: readonly PlainStep[] | undefined;
}

/**
 * Planners that are given the same edits, beside a plain batch that says what they should hold. Blocks are never shared,
 * so that slots of different requests differ.
 */
export class PlannerSession {
  readonly setup: PlannerSetup;
  readonly planners: readonly StepPlanner[];
  readonly batch: PlainBatch = new PlainBatch();
  readonly #modules: PlannerModules;
  readonly #groups: readonly Required<KvGroup>[];
  /** Blocks of each KV cache group that no request has. */
  readonly #free: number[][];
  /** The decision of the last step that was built. */
  #previous: DecisionView | undefined;
  /** The last step's decodes while they may be continued. */
  #last: readonly PlainChunk[] = [];

  /** A planner for each entry of `poison`; `modules` are those of all, or of each. */
  constructor(modules: PlannerModules | readonly PlannerModules[], setup: PlannerSetup, poison: readonly boolean[]) {
    this.setup = setup;
    const each = Array.isArray(modules) ? modules : poison.map(() => modules as PlannerModules);
    this.#modules = each[0];
    this.planners = poison.map((value, index) => new StepPlanner(each[index], { ...setup, poison: value }));
    this.#groups = kvGroupsOf(setup.limits);
    this.#free = this.#groups.map(({ numBlocks }, group) => {
      const count = Math.min(numBlocks - 1, Math.max(600, setup.limits.maxNumSeqs * this.#maxBlocks(group)));
      return Array.from({ length: count }, (_, index) => numBlocks - 1 - index);
    });
  }

  /** Continues the last step's decodes, or sees that refused which cannot be. Returns how many are scheduled. */
  continueDecodes(how: SessionStep['continues']): number {
    if (how === 'no') return 0;
    const rows = this.#last.map(({ row }) => row);
    const single = this.#last.every(({ queryLen }) => queryLen === 1);
    const { maxModelLen, maxNumBatchedTokens } = this.setup.limits;
    if (how === 'fed') {
      for (const row of rows) {
        const request = this.batch.request(row);
        for (const [group, blocks] of blocksOf(request).entries()) {
          const covered = blocks.length * this.#span(group);
          if (request.numComputedTokens + 2 > covered && blocks.length < this.#maxBlocks(group)) {
            this.#append(row, 1, 0, group);
          }
        }
      }
    }
    const ends = rows.map((row) => this.batch.request(row).numComputedTokens + 2);
    const covers = (row: number, end: number): boolean => this.#covered(this.batch.request(row)) >= end;
    const refusals: [LockstepError['code'], boolean][] = [
      ['ERR_STEP_ORDER', this.batch.chunks.some(({ phase }) => phase === 'decode')],
      ['ERR_BATCH_LIMIT', rows.length + this.batch.tokens > maxNumBatchedTokens || !single],
      ['ERR_BATCH_LIMIT', ends.some((end) => end > maxModelLen)],
      ['ERR_POSITION_BEYOND_BLOCKS', rows.some((row, index) => !covers(row, ends[index]))],
    ];
    const broken = refusals.filter(([, breaks]) => breaks).map(([code]) => code);
    if (broken.length > 0) {
      this.#each(({ requests }) => {
        const error = thrownBy(() => requests.continueDecodes());
        must(broken.includes(error.code), () => `${error.code}, not one of ${broken}`);
      });
      return 0;
    }
    this.#each(({ requests }) => must(requests.continueDecodes() === rows.length, () => 'decodes were left out'));
    for (const row of rows) {
      this.batch.request(row).numComputedTokens += 1;
      this.batch.chunks.push({ row, phase: 'decode', queryLen: 1, lastChunk: false, inputIds: undefined });
    }
    this.#last = [];
    return rows.length;
  }

  edit(edit: Edit, decodeOnly: boolean): void {
    const rows = [...this.batch.requests.keys()];
    const row = rows[edit.pick % Math.max(1, rows.length)] ?? -1;
    if (edit.kind === 'refused') this.#refuse(edit, row);
    else if (edit.kind === 'add') this.#add(edit);
    else if (row >= 0) this.#editRow(edit, row, decodeOnly);
  }

  #editRow(edit: Edit, row: number, decodeOnly: boolean): void {
    const request = this.batch.request(row);
    const room = Math.min(this.setup.limits.maxModelLen, this.#covered(request)) - request.numComputedTokens;
    switch (edit.kind) {
      case 'append': {
        const blocks = blocksOf(request);
        const covers = blocks.map(({ length }, group) => length * this.#span(group));
        // As often as not the group that covers the least: else requests would seldom grow.
        const group = edit.flag ? covers.indexOf(Math.min(...covers)) : edit.pick % blocks.length;
        const left = this.#maxBlocks(group) - blocks[group].length;
        this.#append(row, Math.min(edit.amount % 4, left), edit.pick, group);
        return;
      }
      case 'advance': {
        if (this.batch.isScheduled(row)) return;
        const tokens = edit.amount % (room + 1);
        this.#each(({ requests }) => requests.advance(row as Row, tokens));
        request.numComputedTokens += tokens;
        if (this.#last.some((chunk) => chunk.row === row)) this.#last = [];
        return;
      }
      case 'remove':
      case 'preempt': {
        this.#each(({ requests }) => requests.remove(row as Row));
        for (const [group, blocks] of blocksOf(request).entries()) {
          this.#free[group].push(...blocks.filter((block) => block > 0));
        }
        this.batch.remove(row);
        this.#last = this.#last.filter((chunk) => chunk.row !== row);
        if (edit.kind === 'preempt') this.#add(edit);
        return;
      }
      case 'schedule':
        this.#schedule(row, room, edit, decodeOnly);
    }
  }

  /** Votes, resolves and builds on every planner, compares each with the plain oracles, and checks the shape contract. */
  step(step: SessionStep): SessionResult | undefined {
    const { setup, batch } = this;
    const { limits, policy, plan, rank, ranks } = setup;
    const entries = batch.entries();
    const chunks = entries.map((entry) => ({ ...entry, seqLen: entry.start + entry.queryLen }));
    const { planHash, step: number } = this.planners[0];
    const context = { step: number, planHash, plan, policy };
    const own = { ...step.intent, ...(step.ending === 'fault' ? { fault: 7 } : {}) };
    const votes = Array.from({ length: ranks }, (_, other) => {
      if (other === rank) return votePlain(chunks, { ...context, ...own });
      const peer = step.peers[other];
      return votePlain(peerChunks(peer, setup, step.decodeOnly), { ...context, ...peer.intent });
    });
    const table = tableOf(votes);
    this.#each((planner) => {
      const row = planner.vote(own);
      must(isDeepStrictEqual([...row], [...tableOf([votes[rank]])]), () => `vote is ${row}`);
    });
    if (step.ending === 'fault') {
      this.#each((planner) => refusedWith('ERR_RANK_FAULT', () => planner.resolve(table)));
    } else if (step.ending === 'abandon-decision') {
      this.#each((planner) => void planner.resolve(table));
    }
    if (step.ending !== 'build') {
      this.#each((planner) => planner.abandon());
      batch.chunks = [];
      this.#last = [];
      return undefined;
    }

    const decision = resolvePlain(votes, plan, policy, this.#previous?.partCount);
    const cut = partTokens(chunks, policy.ubatches, policy);
    const counts = votes.map(({ tokens, decodeRequests, ...vote }) => ({
      ...{ tokens, decodeRequests },
      partTokens: [vote.part0Tokens, vote.part1Tokens, vote.part2Tokens, vote.part3Tokens],
    }));
    const groups =
      decision.run === 'park'
        ? undefined
        : buildGroupsPlain(entries, decision, rank, limits, cut, {
            padding: setup.padding,
            csr: setup.tensors.csr,
            votes: counts,
          });
    this.#each((planner) => checkStep(planner, table, decision, groups));
    const rebuilt = this.#rebuild(own);
    const first = new Int32Array(table);
    for (let other = 0; other < ranks; other++) first[(first.length / ranks) * other + 1] = 0;
    checkStep(rebuilt, first, { ...decision, step: 0 }, groups, before(0, this.#previous));
    this.#previous = new DecisionView(this.planners[0].decision.words.slice());

    this.endStep(step.advance);
    return { decision, entries, votes, plain: groups?.[0], groups };
  }

  /** Ends a step that was built: with `advance`, what was scheduled counts as computed. */
  endStep(advance: boolean): void {
    const decodes = this.batch.chunks.filter(({ phase }) => phase === 'decode');
    this.#last = advance ? [] : decodes;
    if (advance) this.#advanceScheduled();
    this.batch.chunks = [];
  }

  /** A poisoned planner that has never seen anything but this step's requests. */
  #rebuild(intent: VoteIntent): StepPlanner {
    const planner = new StepPlanner(this.#modules, { ...this.setup, poison: true });
    for (const chunk of this.batch.chunks) {
      const request = this.batch.request(chunk.row);
      const row = planner.requests.add({ ...request, blockIds: listed(blocksOf(request)) });
      planner.requests.schedule(row, given(chunk));
    }
    planner.vote(intent);
    return planner;
  }

  #advanceScheduled(): void {
    for (const { row, queryLen, phase } of this.batch.chunks) {
      const tokens = phase === 'decode' ? 1 + (row % queryLen) : queryLen;
      this.#each(({ requests }) => requests.advance(row as Row, tokens));
      this.batch.request(row).numComputedTokens += tokens;
    }
  }

  #append(row: number, count: number, pick: number, group: number): void {
    const blockIds = this.#take(count, pick, group);
    this.#each(({ requests }) => requests.appendBlocks(row as Row, blockIds, group));
    blocksOf(this.batch.request(row))[group].push(...blockIds);
  }

  #add(edit: Edit): void {
    if (this.batch.requests.size === this.setup.limits.maxNumSeqs) return;
    const blockIds = this.#take(edit.pick % (this.#maxBlocks() + 1), edit.amount);
    // Other groups mostly have blocks for as many tokens, or some more.
    const otherBlocks = this.#groups.slice(1).map((_, index) => {
      const group = index + 1;
      const enough = Math.ceil((blockIds.length * this.#span()) / this.#span(group));
      const count = (edit.amount + group) % 4 === 0 ? edit.pick : enough + (edit.pick % 2);
      return this.#take(Math.min(count, this.#maxBlocks(group)), edit.amount, group);
    });
    const request = { blockIds, otherBlocks, numComputedTokens: 0 };
    const covered = Math.min(this.setup.limits.maxModelLen, this.#covered(request));
    if (!edit.flag) request.numComputedTokens = edit.amount % (covered + 1);
    for (const [index, blocks] of otherBlocks.entries())
      this.#leaveBehind(blocks, index + 1, request.numComputedTokens);
    const given = { blockIds: listed(blocksOf(request)), numComputedTokens: request.numComputedTokens };
    const rows = this.planners.map(({ requests }) => requests.add(given));
    must(new Set(rows).size === 1 && !this.batch.requests.has(rows[0]), () => `rows ${rows}`);
    this.batch.requests.set(rows[0], request);
  }

  /** Gives back blocks of a group whose sliding window has left them: the null block stands in their place. */
  #leaveBehind(blocks: number[], group: number, computed: number): void {
    const { window } = this.#groups[group];
    if (window === 0) return;
    // Positions that the next token sees begin at `computed - window + 1`.
    const unseen = blocks.filter((_, index) => (index + 1) * this.#span(group) <= computed - window + 1).length;
    this.#free[group].push(...blocks.slice(0, unseen));
    blocks.fill(0, 0, unseen);
  }

  #schedule(row: number, room: number, edit: Edit, decodeOnly: boolean): void {
    const { limits } = this.setup;
    const left = limits.maxNumBatchedTokens - this.batch.tokens;
    const phase = decodeOnly || edit.pick % 3 > 0 ? 'decode' : 'prefill';
    const most = Math.min(room, left, phase === 'decode' ? limits.queryLen : left);
    if (most < 1 || this.batch.isScheduled(row)) return;
    const queryLen = 1 + (edit.amount % most);
    const inputIds = edit.flag
      ? Array.from({ length: queryLen }, (_, index) => 100 * edit.pick + index + 1)
      : undefined;
    if (phase === 'decode') this.#last = [];
    const chunk = { row, phase, queryLen, lastChunk: phase === 'prefill' && edit.amount % 2 === 0, inputIds } as const;
    this.#each(({ requests }) => requests.schedule(row as Row, given(chunk)));
    this.batch.chunks.push(chunk);
  }

  /** An edit that every planner refuses, and that therefore changes nothing. */
  #refuse(edit: Edit, row: number): void {
    const { limits } = this.setup;
    const group = edit.amount % this.#groups.length;
    const { numBlocks } = this.#groups[group];
    const alone = (blocks: number[]): number[][] => this.#groups.map((_, index) => (index === group ? blocks : []));
    const known = row as Row;
    const scheduled = this.batch.isScheduled(row);
    const refusals: [LockstepError['code'], (planner: StepPlanner) => unknown][] = [
      ['ERR_ROW_UNKNOWN', ({ requests }) => requests.remove(limits.maxNumSeqs as Row)],
      ['ERR_ROW_UNKNOWN', ({ requests }) => requests.schedule(-1 as Row, { phase: 'decode', queryLen: 1 })],
    ];
    if (this.batch.requests.size < limits.maxNumSeqs) {
      refusals.push(
        ['ERR_BLOCK_INVALID', ({ requests }) => requests.add({ blockIds: listed(alone([0])) })],
        ['ERR_BLOCK_INVALID', ({ requests }) => requests.add({ blockIds: listed(alone([numBlocks])) })],
        ['ERR_INPUT_INVALID', ({ requests }) => requests.add({ blockIds: [...alone([]), []] })],
        ['ERR_BATCH_LIMIT', ({ requests }) => requests.add({ blockIds: [], numComputedTokens: -1 })],
      );
    }
    if (row >= 0) {
      if (blocksOf(this.batch.request(row))[group].length < this.#maxBlocks(group)) {
        refusals.push(['ERR_BLOCK_INVALID', ({ requests }) => requests.appendBlocks(known, [0], group)]);
      }
      const tooMany = Array.from({ length: this.#maxBlocks(group) + 1 }, () => 1);
      refusals.push(
        ['ERR_BATCH_LIMIT', ({ requests }) => requests.appendBlocks(known, tooMany, group)],
        ['ERR_INPUT_INVALID', ({ requests }) => requests.appendBlocks(known, [1, Number.NaN], group)],
        ['ERR_INPUT_INVALID', ({ requests }) => requests.appendBlocks(known, [1], this.#groups.length)],
        [scheduled ? 'ERR_STEP_ORDER' : 'ERR_BATCH_LIMIT', ({ requests }) => requests.advance(known, -1)],
        [
          scheduled ? 'ERR_STEP_ORDER' : 'ERR_BATCH_LIMIT',
          ({ requests }) => requests.schedule(known, { phase: 'decode', queryLen: limits.queryLen + 1 }),
        ],
        [
          'ERR_INPUT_INVALID',
          ({ requests }) => requests.schedule(known, { phase: 'prefill', queryLen: 2, inputIds: new Int32Array(1) }),
        ],
      );
    }
    const [code, call] = refusals[edit.pick % refusals.length];
    this.#each((planner) => refusedWith(code, () => call(planner)));
  }

  #take(count: number, pick: number, group = 0): number[] {
    const free = this.#free[group];
    return Array.from({ length: count }, () => free.splice(pick % free.length, 1)[0]);
  }

  #span(group = 0): number {
    return this.#groups[group].blockSize * this.setup.limits.contextParallelSize;
  }

  #maxBlocks(group = 0): number {
    return Math.ceil(this.setup.limits.maxModelLen / this.#span(group));
  }

  /** Tokens of a request that every group has blocks for. */
  #covered(request: PlainRequest): number {
    return Math.min(...blocksOf(request).map(({ length }, group) => length * this.#span(group)));
  }

  #each(call: (planner: StepPlanner) => void): void {
    for (const planner of this.planners) call(planner);
  }
}

/** Blocks of a request by KV cache group. */
function blocksOf({ blockIds, otherBlocks }: PlainRequest): number[][] {
  return [blockIds, ...otherBlocks];
}

/** Lists of blocks as `add` takes them. */
function listed(lists: number[][]): number[] | number[][] {
  return lists.length === 1 ? lists[0] : lists;
}

function given(chunk: PlainBatch['chunks'][number]): Parameters<StepPlanner['requests']['schedule']>[1] {
  const { phase, queryLen, lastChunk, inputIds } = chunk;
  return { phase, queryLen, lastChunk, ...(inputIds && { inputIds: Int32Array.from(inputIds) }) };
}

/** Resolves and builds, and compares decision and tensors with the plain ones. */
function checkStep(
  planner: StepPlanner,
  table: Int32Array,
  decision: DecisionValue,
  groups: readonly PlainStep[] | undefined,
  previous?: DecisionView | null,
): void {
  const found = planner.resolve(table, previous);
  must(
    isDeepStrictEqual(found.snapshot(), decision),
    () => `decision ${JSON.stringify(found.snapshot())}, not ${JSON.stringify(decision)}`,
  );
  const local = planner.build(found);
  const difference =
    groups &&
    (differenceFromPlain(local, groups[0]) ??
      filledForDevice(planner) ??
      groups.map((plain, index) => groupDifference(local.groups[index], plain)).find((found) => found !== undefined));
  must(difference === undefined, () => `${difference} (${decision.run} ${decision.reason})`);
  assertShapeContract(found, local);
}

/** A decision as if it had been that of the step before `step`. */
export function before(step: number, decision: DecisionView | undefined): DecisionView | null {
  if (decision === undefined) return null;
  const words = decision.words.slice();
  words[word(DECISION_WORDS, 'step')] = step - 1;
  return new DecisionView(words);
}

/** A rank's batch within the limits all ranks share, decodes first. */
export function peerChunks(peer: PeerBatch, setup: PlannerSetup, decodeOnly: boolean): VotedChunk[] {
  const { maxNumSeqs, maxNumBatchedTokens, queryLen } = setup.limits;
  if (peer.kind === 'idle') return [];
  const chunks: VotedChunk[] = [];
  let left = maxNumBatchedTokens;
  for (const [index, length] of peer.lengths.slice(0, maxNumSeqs).entries()) {
    const phase = peer.kind === 'mixed' && !decodeOnly && index % 2 === 1 ? 'prefill' : 'decode';
    const tokens = Math.min(left, phase === 'decode' ? 1 + (length % queryLen) : 1 + length);
    if (tokens > 0) chunks.push({ phase, queryLen: tokens, seqLen: tokens + length });
    left -= tokens;
  }
  return [...chunks.filter(({ phase }) => phase === 'decode'), ...chunks.filter(({ phase }) => phase === 'prefill')];
}

/** Fails unless `call` throws a LockstepError of `code`. */
export function refusedWith(code: LockstepError['code'], call: () => unknown): LockstepError {
  const error = thrownBy(call);
  if (error.code === code) return error;
  throw error;
}

function thrownBy(call: () => unknown): LockstepError {
  try {
    call();
  } catch (error) {
    if (error instanceof LockstepError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

function must(holds: boolean, message: () => string): void {
  if (!holds) throw new Error(message());
}
