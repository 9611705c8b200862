import { type KvGroup, kvGroupsOf, type LockstepError, type Row, StepPlanner } from '../../dist/entry/planner.js';
import type { PlannerModules } from '../../dist/memory/modules.js';
import { PlainBatch, type PlainChunk, type PlainRequest } from '../oracles/batch-oracle.js';
import { must, refusedWith, thrownBy } from './expectations.js';
import type { PlannerSetup } from './planner-setup.js';
import type { Edit, SessionStep } from './session-steps.js';

/**
 * Planners that are given the same edits, beside a plain batch that says what they should hold. Blocks are never shared,
 * so that slots of different requests differ.
 */
export class EditedPlanners {
  readonly setup: PlannerSetup;
  readonly planners: readonly StepPlanner[];
  readonly batch: PlainBatch = new PlainBatch();
  readonly #groups: readonly Required<KvGroup>[];
  /** Blocks of each KV cache group that no request has. */
  readonly #free: number[][];

  /** A planner for each entry of `poison`, of the modules in its place. */
  constructor(modules: readonly PlannerModules[], setup: PlannerSetup, poison: readonly boolean[]) {
    this.setup = setup;
    this.planners = poison.map((value, index) => new StepPlanner(modules[index], { ...setup, poison: value }));
    this.#groups = kvGroupsOf(setup.limits);
    this.#free = this.#groups.map(({ numBlocks }, group) => {
      const count = Math.min(numBlocks - 1, Math.max(600, setup.limits.maxNumSeqs * this.#maxBlocks(group)));
      return Array.from({ length: count }, (_, index) => numBlocks - 1 - index);
    });
  }

  /** Continues the last step's decodes, or sees that refused which cannot be. Returns how many are scheduled. */
  continueDecodes({ continues: how, drafts }: Pick<SessionStep, 'continues' | 'drafts'>): number {
    if (how === 'no') return 0;
    const last = this.batch.last;
    if (how === 'by hand') return this.#continueByHand(last, drafts);
    const given = how === 'given' || how === 'given, fed';
    const steps = new Map(last.map(({ row, queryLen }) => [row, 1 + (given ? (drafts >> (row % 5)) % queryLen : 0)]));
    const stepsOf = (row: number): number => steps.get(row) ?? 1;
    if (how === 'fed' || how === 'given, fed') this.#feed(last, stepsOf, how === 'fed' ? 0 : 1);
    const entries = given ? this.#continuation(last, stepsOf, drafts) : undefined;
    const ends = last.map(({ row, queryLen }) => this.batch.request(row).numComputedTokens + stepsOf(row) + queryLen);
    const covers = (row: number, end: number): boolean => {
      const added = entries?.newBlocks.map(
        (blocks) => blocks.filter((id, at) => id > 0 && entries.rows[at] === row).length,
      );
      const held = blocksOf(this.batch.request(row)).map(
        ({ length }, group) => (length + (added?.[group] ?? 0)) * this.#span(group),
      );
      return Math.min(...held) >= end;
    };
    const { maxModelLen, maxNumBatchedTokens } = this.setup.limits;
    const tokens = last.reduce((sum, { queryLen }) => sum + queryLen, this.batch.tokens);
    const single = given || last.every(({ queryLen }) => queryLen === 1);
    const refusals: [LockstepError['code'], boolean][] = [
      ['ERR_STEP_ORDER', this.batch.chunks.some(({ phase }) => phase === 'decode')],
      ['ERR_BATCH_LIMIT', tokens > maxNumBatchedTokens || !single],
      ['ERR_BATCH_LIMIT', ends.some((end) => end > maxModelLen)],
      ['ERR_POSITION_BEYOND_BLOCKS', last.some(({ row }, index) => !covers(row, ends[index]))],
    ];
    const call = ({ requests }: StepPlanner): number =>
      entries === undefined
        ? requests.continueDecodes()
        : requests.continueDecodes(
            Int32Array.from(entries.rows),
            entries.accepted,
            this.#groups.length > 1 ? entries.newBlocks : (entries.newBlocks[0] ?? []),
          );
    const broken = refusals.filter(([, breaks]) => breaks).map(([code]) => code);
    if (broken.length > 0) {
      this.each((planner) => {
        const error = thrownBy(() => call(planner));
        must(broken.includes(error.code), () => `${error.code}, not one of ${broken}`);
      });
      for (const [group, blocks] of (entries?.newBlocks ?? []).entries()) {
        this.#free[group].push(...blocks.filter((block) => block > 0));
      }
      return 0;
    }
    this.each((planner) => must(call(planner) === last.length, () => 'decodes were left out'));
    for (const { row } of last) this.batch.request(row).numComputedTokens += stepsOf(row);
    for (const [at, row] of (entries?.rows ?? []).entries()) {
      for (const [group, blocks] of (entries?.newBlocks ?? []).entries()) {
        if (blocks[at] > 0) blocksOf(this.batch.request(row))[group].push(blocks[at]);
      }
    }
    if (last.length > 0) this.batch.continueDecodes();
    return last.length;
  }

  /** Gives each decode what blocks its next step lacks, but for as many of each group as `but` says. */
  #feed(last: readonly PlainChunk[], stepsOf: (row: number) => number, but: number): void {
    for (const { row, queryLen } of last) {
      const request = this.batch.request(row);
      const end = request.numComputedTokens + stepsOf(row) + queryLen;
      for (const [group, blocks] of blocksOf(request).entries()) {
        const lacking = Math.ceil(end / this.#span(group)) - blocks.length - but;
        const count = Math.min(lacking, this.#maxBlocks(group) - blocks.length);
        if (count > 0) this.#append(row, count, 0, group);
      }
    }
  }

  /** What `continueDecodes` is told of decodes, in an order of its own: accepted drafts, of some in two entries, and a block each where one is lacking. */
  #continuation(last: readonly PlainChunk[], stepsOf: (row: number) => number, drafts: number): Continuation {
    const turned = last.map((_, index) => last[(index + drafts) % last.length]);
    const entries = turned.flatMap(({ row, queryLen }) => {
      const accepted = stepsOf(row) - 1;
      const both = [
        { row, queryLen, accepted: accepted - 1, last: false },
        { row, queryLen, accepted: 1, last: true },
      ];
      return accepted > 1 && last.length * 2 <= this.setup.limits.maxNumSeqs
        ? both
        : [{ row, queryLen, accepted, last: true }];
    });
    // Of decodes of which there is nothing to say, some are left out.
    const said = entries.filter(({ accepted }, index) => accepted > 0 || (drafts + index) % 3 > 0);
    const newBlocks = this.#groups.map((_, group) =>
      said.map((entry) => {
        const request = this.batch.request(entry.row);
        const blocks = blocksOf(request)[group];
        const end = request.numComputedTokens + stepsOf(entry.row) + entry.queryLen;
        const lacks = entry.last && blocks.length * this.#span(group) < end && blocks.length < this.#maxBlocks(group);
        return lacks ? this.#take(1, drafts, group)[0] : 0;
      }),
    );
    return { rows: said.map(({ row }) => row), accepted: said.map(({ accepted }) => accepted), newBlocks };
  }

  /** Advances the last step's decodes and schedules those that have room, each in a call for all. */
  #continueByHand(last: readonly PlainChunk[], drafts: number): number {
    if (last.length === 0 || this.batch.chunks.some(({ phase }) => phase === 'decode')) return 0;
    const rows = last.map(({ row }) => row);
    const tokens = last.map(({ queryLen }, index) => 1 + ((drafts + index) % queryLen));
    this.each(({ requests }) => requests.advanceEach(Int32Array.from(rows), tokens));
    for (const [index, row] of rows.entries()) this.batch.request(row).numComputedTokens += tokens[index];
    this.batch.endContinuing(rows[0]);
    const { maxNumBatchedTokens } = this.setup.limits;
    let left = maxNumBatchedTokens - this.batch.tokens;
    const chunks: PlainChunk[] = [];
    for (const { row, queryLen } of last.toReversed()) {
      const count = Math.min(queryLen, this.#room(row), left);
      if (count < 1) {
        const all = [...chunks.map((chunk) => chunk.row), row];
        const lens = [...chunks.map((chunk) => chunk.queryLen), queryLen];
        this.each(({ requests }) => {
          const error = thrownBy(() => requests.scheduleEach(all as Row[], lens));
          must(/BATCH_LIMIT|BEYOND_BLOCKS/.test(error.code), () => error.code);
        });
        continue;
      }
      left -= count;
      chunks.push({ row, phase: 'decode', queryLen: count, lastChunk: false, inputIds: undefined });
    }
    const scheduled = Int32Array.from(chunks, ({ row }) => row);
    this.each(({ requests }) =>
      requests.scheduleEach(
        scheduled,
        chunks.map(({ queryLen }) => queryLen),
      ),
    );
    for (const chunk of chunks) this.batch.schedule(chunk);
    return chunks.length;
  }

  /** Gives a request what it needs for a decode, which one that is full ends its run for, and schedules it. */
  decode(row: number, { edits, decodeOnly }: SessionStep): void {
    const edit: Edit = { kind: 'preempt', pick: row + 1 + edits.length, amount: row, flag: true };
    if (this.#room(row) < 1) {
      const request = this.batch.request(row);
      const group = this.#shortest(request);
      if (blocksOf(request)[group].length < this.#maxBlocks(group)) this.#append(row, 1, row, group);
      else if (!this.batch.isScheduled(row)) this.#editRow(edit, row, decodeOnly);
    }
    const given = this.batch.requests.has(row);
    if (given) this.#schedule(row, this.#room(row), { ...edit, kind: 'schedule' }, true);
  }

  /** What a step changes: who leaves, what is continued, who joins, and its edits. Returns how many decodes are continued. */
  edits(step: SessionStep): number {
    const edit = (kind: Edit['kind'], pick: number): Edit => ({ kind, pick, amount: pick >> 3, flag: pick % 2 === 0 });
    const { last } = this.batch;
    const leaving = last.filter((_, index) => (index + step.drafts) % 2 === 0).slice(-step.turnover || last.length);
    for (const [index, { row }] of leaving.entries()) this.#editRow(edit('remove', step.drafts + index), row, true);
    const continued = this.continueDecodes(step);
    for (let index = 0; index < leaving.length; index++) this.#add(edit('add', 1 + step.drafts + 37 * index));
    for (const each of step.edits) this.edit(each, step.decodeOnly);
    return continued;
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
    const room = this.#room(row);
    switch (edit.kind) {
      case 'append': {
        const blocks = blocksOf(request);
        // As often as not the group that covers the least: else requests would seldom grow.
        const group = edit.flag ? this.#shortest(request) : edit.pick % blocks.length;
        const left = this.#maxBlocks(group) - blocks[group].length;
        this.#append(row, Math.min(edit.amount % 4, left), edit.pick, group);
        return;
      }
      case 'advance': {
        if (this.batch.isScheduled(row)) return;
        const tokens = edit.amount % (room + 1);
        this.each(({ requests }) => requests.advance(row as Row, tokens));
        request.numComputedTokens += tokens;
        this.batch.endContinuing(row);
        return;
      }
      case 'remove':
      case 'preempt': {
        this.each(({ requests }) => requests.remove(row as Row));
        for (const [group, blocks] of blocksOf(request).entries()) {
          this.#free[group].push(...blocks.filter((block) => block > 0));
        }
        this.batch.remove(row);
        if (edit.kind === 'preempt') this.#add(edit);
        return;
      }
      case 'schedule':
        this.#schedule(row, room, edit, decodeOnly);
    }
  }

  /** Ends a step that was built: with `advance`, what was scheduled counts as computed. */
  endStep(advance: boolean): void {
    const { chunks } = this.batch;
    this.batch.endStep(true);
    if (advance) this.#advanceScheduled(chunks);
  }

  /** Gives the step's schedule up. */
  dropStep(): void {
    this.batch.endStep(false);
  }

  #advanceScheduled(chunks: readonly PlainChunk[]): void {
    for (const { row, queryLen, phase } of chunks) {
      const tokens = phase === 'decode' ? 1 + (row % queryLen) : queryLen;
      this.each(({ requests }) => requests.advance(row as Row, tokens));
      this.batch.request(row).numComputedTokens += tokens;
      this.batch.endContinuing(row);
    }
  }

  #append(row: number, count: number, pick: number, group: number): void {
    const blockIds = this.#take(count, pick, group);
    // The same blocks in one call or the other: one after the other to the same request is what they are at once.
    const rows = blockIds.map(() => row as Row);
    const each = (row + pick) % 2 === 1 && count <= this.setup.limits.maxNumSeqs;
    this.each(({ requests }) =>
      each ? requests.appendEach(rows, blockIds, group) : requests.appendBlocks(row as Row, blockIds, group),
    );
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
    const rows = this.planners.map(({ requests }) => requests.add(added(request)));
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
    const chunk = { row, phase, queryLen, lastChunk: phase === 'prefill' && edit.amount % 2 === 0, inputIds } as const;
    this.each(({ requests }) => requests.schedule(row as Row, given(chunk)));
    this.batch.schedule(chunk);
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
    const last = this.batch.last;
    const tokens = last.reduce((sum, { queryLen }) => sum + queryLen, this.batch.tokens);
    if (last.length > 0 && tokens <= limits.maxNumBatchedTokens) {
      const rows = last.map(({ row }) => row as Row);
      const [first] = last;
      const with1 = rows.map(() => 1);
      const without = rows.map(() => 0);
      refusals.push(
        [
          'ERR_INPUT_INVALID',
          ({ requests }) => requests.continueDecodes(rows, [...without.slice(1), last.at(-1)?.queryLen ?? 0]),
        ],
        ['ERR_INPUT_INVALID', ({ requests }) => requests.continueDecodes(rows, [...without, 0])],
        [
          'ERR_ROW_UNKNOWN',
          ({ requests }) => requests.continueDecodes([...rows, limits.maxNumSeqs as Row], [...without, 0]),
        ],
        ['ERR_ROW_UNKNOWN', ({ requests }) => requests.advanceEach([...rows, -1 as Row], [...with1, 0])],
        ['ERR_STEP_ORDER', ({ requests }) => requests.scheduleEach([first.row as Row, first.row as Row], [1, 1])],
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
    this.each((planner) => refusedWith(code, () => call(planner)));
  }

  #take(count: number, pick: number, group = 0): number[] {
    const free = this.#free[group];
    return Array.from({ length: count }, () => free.splice(pick % free.length, 1)[0]);
  }

  /** Tokens that a request's blocks hold beyond those computed. */
  #room(row: number): number {
    const request = this.batch.request(row);
    return Math.min(this.setup.limits.maxModelLen, this.#covered(request)) - request.numComputedTokens;
  }

  #span(group = 0): number {
    return this.#groups[group].blockSize * this.setup.limits.contextParallelSize;
  }

  #maxBlocks(group = 0): number {
    return Math.ceil(this.setup.limits.maxModelLen / this.#span(group));
  }

  /** Tokens of a request that every group has blocks for. */
  #covered(request: PlainRequest): number {
    return Math.min(...this.#covers(request));
  }

  /** The group whose blocks cover the least of a request. */
  #shortest(request: PlainRequest): number {
    const covers = this.#covers(request);
    return covers.indexOf(Math.min(...covers));
  }

  #covers(request: PlainRequest): number[] {
    return blocksOf(request).map(({ length }, group) => length * this.#span(group));
  }

  each(call: (planner: StepPlanner, index: number) => void): void {
    for (const [index, planner] of this.planners.entries()) call(planner, index);
  }
}

/** What `continueDecodes` is told: of each entry a row, its accepted drafts, and its block of each KV cache group or 0. */
interface Continuation {
  readonly rows: number[];
  readonly accepted: number[];
  readonly newBlocks: number[][];
}

/** A chunk as `requests.schedule` takes it. */
export function given(chunk: PlainBatch['chunks'][number]): Parameters<StepPlanner['requests']['schedule']>[1] {
  const { phase, queryLen, lastChunk, inputIds } = chunk;
  return { phase, queryLen, lastChunk, ...(inputIds && { inputIds: Int32Array.from(inputIds) }) };
}

/** Blocks of a request by KV cache group. */
function blocksOf({ blockIds, otherBlocks }: PlainRequest): number[][] {
  return [blockIds, ...otherBlocks];
}

/** A request as `requests.add` takes it. */
export function added(request: PlainRequest): Parameters<StepPlanner['requests']['add']>[0] {
  return { blockIds: listed(blocksOf(request)), numComputedTokens: request.numComputedTokens };
}

/** Lists of blocks as `add` takes them. */
function listed(lists: number[][]): number[] | number[][] {
  return lists.length === 1 ? lists[0] : lists;
}
