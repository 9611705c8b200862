import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import {
  assertShapeContract,
  type DecisionValue,
  DecisionView,
  LockstepError,
  type Row,
  StepPlanner,
  type VoteIntent,
} from '../../dist/planner/index.js';
import { DECISION_WORDS, word } from '../../dist/planner/layout.js';
import type { PlannerModules } from '../../dist/planner/modules.js';
import { PlainBatch, type PlainChunk, type PlainEntry } from '../oracles/batch-oracle.js';
import { buildPlain, type PlainStep } from '../oracles/metadata-oracle.js';
import { resolvePlain } from '../oracles/resolve-oracle.js';
import { partTokens, tableOf, type VotedChunk, type VoteRecord, votePlain } from '../oracles/vote-oracle.js';
import { differenceFromPlain, filledForDevice } from './planner-compare.js';
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
  readonly #free: number[];
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
    const { numBlocks } = setup.limits;
    const count = Math.min(numBlocks - 1, Math.max(600, setup.limits.maxNumSeqs * this.#maxBlocks()));
    this.#free = Array.from({ length: count }, (_, index) => numBlocks - 1 - index);
  }

  /** Continues the last step's decodes, or sees that refused which cannot be. Returns how many are scheduled. */
  continueDecodes(how: SessionStep['continues']): number {
    if (how === 'no') return 0;
    const rows = this.#last.map(({ row }) => row);
    const single = this.#last.every(({ queryLen }) => queryLen === 1);
    const { maxModelLen, maxNumBatchedTokens } = this.setup.limits;
    if (how === 'fed') {
      for (const row of rows) {
        const { blockIds, numComputedTokens } = this.batch.request(row);
        const covered = blockIds.length * this.#span();
        if (numComputedTokens + 2 > covered && blockIds.length < this.#maxBlocks()) this.#append(row, 1, 0);
      }
    }
    const ends = rows.map((row) => this.batch.request(row).numComputedTokens + 2);
    const covers = (row: number, end: number): boolean => this.batch.request(row).blockIds.length * this.#span() >= end;
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
    const maxBlocks = this.#maxBlocks();
    const covered = Math.min(this.setup.limits.maxModelLen, request.blockIds.length * this.#span());
    const room = covered - request.numComputedTokens;
    switch (edit.kind) {
      case 'append': {
        this.#append(row, Math.min(edit.amount % 4, maxBlocks - request.blockIds.length), edit.pick);
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
        this.#free.push(...request.blockIds);
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
    const plain =
      decision.run === 'park'
        ? undefined
        : buildPlain(entries, decision, rank, limits, cut, {
            padding: setup.padding,
            csr: setup.tensors.csr,
            votes: counts,
          });
    this.#each((planner) => checkStep(planner, table, decision, plain));
    const rebuilt = this.#rebuild(own);
    const first = new Int32Array(table);
    for (let other = 0; other < ranks; other++) first[(first.length / ranks) * other + 1] = 0;
    checkStep(rebuilt, first, { ...decision, step: 0 }, plain, before(0, this.#previous));
    this.#previous = new DecisionView(this.planners[0].decision.words.slice());

    this.endStep(step.advance);
    return { decision, entries, votes, plain };
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
      const row = planner.requests.add(this.batch.request(chunk.row));
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

  #append(row: number, count: number, pick: number): void {
    const blockIds = this.#take(count, pick);
    // The same blocks in one call or the other: one after the other to the same request is what they are at once.
    const rows = blockIds.map(() => row as Row);
    this.#each(({ requests }) =>
      (row + pick) % 2 === 0 || blockIds.length > this.setup.limits.maxNumSeqs
        ? requests.appendBlocks(row as Row, blockIds)
        : requests.appendEach(rows, blockIds),
    );
    this.batch.request(row).blockIds.push(...blockIds);
  }

  #add(edit: Edit): void {
    if (this.batch.requests.size === this.setup.limits.maxNumSeqs) return;
    const blockIds = this.#take(edit.pick % (this.#maxBlocks() + 1), edit.amount);
    const covered = Math.min(this.setup.limits.maxModelLen, blockIds.length * this.#span());
    const numComputedTokens = edit.flag ? 0 : edit.amount % (covered + 1);
    const rows = this.planners.map(({ requests }) => requests.add({ blockIds, numComputedTokens }));
    must(new Set(rows).size === 1 && !this.batch.requests.has(rows[0]), () => `rows ${rows}`);
    this.batch.requests.set(rows[0], { blockIds, numComputedTokens });
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
    const known = row as Row;
    const scheduled = this.batch.isScheduled(row);
    const refusals: [LockstepError['code'], (planner: StepPlanner) => unknown][] = [
      ['ERR_ROW_UNKNOWN', ({ requests }) => requests.remove(limits.maxNumSeqs as Row)],
      ['ERR_ROW_UNKNOWN', ({ requests }) => requests.schedule(-1 as Row, { phase: 'decode', queryLen: 1 })],
    ];
    if (this.batch.requests.size < limits.maxNumSeqs) {
      refusals.push(
        ['ERR_BLOCK_INVALID', ({ requests }) => requests.add({ blockIds: [0] })],
        ['ERR_BLOCK_INVALID', ({ requests }) => requests.add({ blockIds: [limits.numBlocks] })],
        ['ERR_BATCH_LIMIT', ({ requests }) => requests.add({ blockIds: [], numComputedTokens: -1 })],
      );
    }
    if (row >= 0) {
      const tooMany = Array.from({ length: this.#maxBlocks() + 1 }, () => 1);
      // Two rows and two blocks fit the inbox, and the first block the request.
      const inbox = Math.max(this.#maxBlocks(), limits.maxNumBatchedTokens, 2 * limits.maxNumSeqs);
      const hasRoom = inbox >= 4 && this.batch.request(row).blockIds.length < this.#maxBlocks();
      refusals.push(
        ['ERR_BATCH_LIMIT', ({ requests }) => requests.appendBlocks(known, tooMany)],
        ['ERR_INPUT_INVALID', ({ requests }) => requests.appendBlocks(known, [1, Number.NaN])],
        [
          hasRoom ? 'ERR_BLOCK_INVALID' : 'ERR_BATCH_LIMIT',
          ({ requests }) => requests.appendEach([known, known], [1, limits.numBlocks]),
        ],
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

  #take(count: number, pick: number): number[] {
    return Array.from({ length: count }, () => this.#free.splice(pick % this.#free.length, 1)[0]);
  }

  #span(): number {
    return this.setup.limits.blockSize * this.setup.limits.contextParallelSize;
  }

  #maxBlocks(): number {
    return Math.ceil(this.setup.limits.maxModelLen / this.#span());
  }

  #each(call: (planner: StepPlanner) => void): void {
    for (const planner of this.planners) call(planner);
  }
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
  plain: PlainStep | undefined,
  previous?: DecisionView | null,
): void {
  const found = planner.resolve(table, previous);
  must(
    isDeepStrictEqual(found.snapshot(), decision),
    () => `decision ${JSON.stringify(found.snapshot())}, not ${JSON.stringify(decision)}`,
  );
  const local = planner.build(found);
  const difference = plain && (differenceFromPlain(local, plain) ?? filledForDevice(planner));
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
