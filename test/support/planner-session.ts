import { isDeepStrictEqual } from 'node:util';
import {
  assertShapeContract,
  type DecisionValue,
  DecisionView,
  StepPlanner,
  type VoteIntent,
} from '../../dist/entry/planner.js';
import { DECISION_WORDS, VOTE_WORDS, word } from '../../dist/layout/layout.js';
import type { PlannerModules } from '../../dist/memory/modules.js';
import { devicePort } from '../../dist/planner/index.js';
import type { PlainEntry } from '../oracles/batch-oracle.js';
import { buildGroupsPlain } from '../oracles/kv-groups-oracle.js';
import type { PlainStep } from '../oracles/metadata-oracle.js';
import { resolvePlain } from '../oracles/resolve-oracle.js';
import { hashDecisionPlain, sealTable } from '../oracles/seal-oracle.js';
import { partTokens, tableOf, type VoteRecord, votePlain } from '../oracles/vote-oracle.js';
import { added, EditedPlanners, given } from './edited-planners.js';
import { must, refusedWith } from './expectations.js';
import { differenceFromPlain, differenceOfMemory, filledForDevice, groupDifference } from './planner-compare.js';
import type { PlannerSetup } from './planner-setup.js';
import { peerChunks, type SessionStep } from './session-steps.js';

/** What a step came to. `plain` is undefined where all ranks park. */
export interface SessionResult {
  readonly decision: DecisionValue;
  readonly entries: readonly PlainEntry[];
  readonly votes: readonly VoteRecord[];
  readonly plain: PlainStep | undefined;
  /** The step of each KV cache group, `plain` being the first's; undefined where all ranks park. */
  readonly groups: readonly PlainStep[] | undefined;
}

/** Planners that take steps together, each step compared with the plain oracles. */
export class PlannerSession extends EditedPlanners {
  /** The planners are builds of the same sources: the memories of those that are poisoned alike are alike. */
  readonly #areBuilds: boolean;
  /** `hash` is that of the decision it built last. */
  readonly #rebuilt: { readonly planner: StepPlanner; readonly beginning: Uint8Array; hash: number };
  /** Of each planner, the first that is poisoned as it is. */
  readonly #first: readonly number[];
  /** The decision of the last step that was built. */
  #previous: DecisionView | undefined;
  /** Its hash. */
  #hash = 0;

  /** A planner for each entry of `poison`; `modules` are those of all, or builds of the same sources, one for each. */
  constructor(modules: PlannerModules | readonly PlannerModules[], setup: PlannerSetup, poison: readonly boolean[]) {
    const each = Array.isArray(modules) ? modules : poison.map(() => modules as PlannerModules);
    super(each, setup, poison);
    this.#areBuilds = Array.isArray(modules);
    this.#first = poison.map((value) => poison.indexOf(value));
    const planner = new StepPlanner(each[0], { ...setup, poison: true });
    this.#rebuilt = { planner, beginning: devicePort(planner).arena.slice(), hash: 0 };
  }

  /** As all planners do it; also where it is refused the memories of builds are left alike. */
  override continueDecodes(step: Pick<SessionStep, 'continues' | 'drafts'>): number {
    const continued = super.continueDecodes(step);
    if (continued === 0 && step.continues !== 'no') this.#compareBuilds();
    return continued;
  }

  /** All of a step: what it continues, its edits, its batch. */
  take(step: SessionStep): SessionResult | undefined {
    this.edits(step);
    if (step.retracts) {
      // A vote closes the gaps that removed decodes left.
      this.batch.entries();
      this.each((planner) => void planner.vote(step.intent));
      this.each((planner) => planner.retract());
    }
    if (step.everyone) for (const row of [...this.batch.requests.keys()]) this.decode(row, step);
    return this.step(step);
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
    const table = tableOf(votes, this.#hash);
    const width = table.length / ranks;
    const wanted = table.subarray(rank * width, (rank + 1) * width);
    this.each((planner) => {
      const row = planner.vote(own);
      must(sameWords(row, wanted), () => `vote is ${row}, not ${wanted}`);
    });
    if (step.ending === 'fault') {
      this.each((planner) => refusedWith('ERR_RANK_FAULT', () => planner.resolve(table)));
    } else if (step.ending === 'abandon-decision') {
      this.each((planner) => void planner.resolve(table));
    }
    if (step.ending !== 'build') {
      this.each((planner) => planner.abandon());
      this.#compareBuilds();
      this.dropStep();
      return undefined;
    }

    const decision = resolvePlain(votes, plan, policy, this.#previous?.partCount);
    const cut = policy.eagerParts === 'equal-shares' ? 'agreed' : partTokens(chunks, policy.ubatches, policy);
    const { paddedDecodeRequests: decodes, paddedPrefillRequests: prefills } = decision;
    const counts = votes.map(({ tokens, decodeRequests, ...vote }) => ({
      ...{ tokens, decodeRequests },
      partTokens: [vote.part0Tokens, vote.part1Tokens, vote.part2Tokens, vote.part3Tokens],
    }));
    const groups =
      decision.run === 'park'
        ? undefined
        : buildGroupsPlain(entries, decision, rank, limits, cut, {
            mixed: decision.run === 'full' && prefills > 0 ? { decodes, prefills } : undefined,
            padding: setup.padding,
            csr: setup.tensors.csr,
            votes: counts,
          });
    this.each((planner, index) => {
      if (this.#areBuilds && this.#first[index] < index) planner.build(planner.resolve(table));
      else checkStep(planner, table, decision, groups);
    });
    this.#compareBuilds();
    const rebuilt = this.#rebuild(own);
    const again = new Int32Array(table);
    for (let other = 0; other < ranks; other++) again[width * other + word(VOTE_WORDS, 'step')] = rebuilt.step;
    sealTable(again, this.#rebuilt.hash);
    checkStep(rebuilt, again, { ...decision, step: rebuilt.step }, groups, before(rebuilt.step, this.#previous));
    this.#rebuilt.hash = hashDecisionPlain(rebuilt.decision.words);
    this.#previous = new DecisionView(this.planners[0].decision.words.slice());
    this.#hash = hashDecisionPlain(this.#previous.words);

    this.endStep(step.advance);
    return { decision, entries, votes, plain: groups?.[0], groups };
  }

  /** All builds that are poisoned alike hold the same bytes, in every region and in between. */
  #compareBuilds(): void {
    if (!this.#areBuilds) return;
    for (const [index, planner] of this.planners.entries()) {
      const first = this.#first[index];
      if (first === index) continue;
      const difference = differenceOfMemory(planner, this.planners[first]);
      must(difference === undefined, () => `build ${index}: ${difference}`);
    }
  }

  /** A poisoned planner that has never seen anything but this step's requests: its whole memory is put back to how it began. */
  #rebuild(intent: VoteIntent): StepPlanner {
    const { planner, beginning } = this.#rebuilt;
    devicePort(planner).arena.set(beginning);
    for (const chunk of this.batch.chunks) {
      const row = planner.requests.add(added(this.batch.request(chunk.row)));
      planner.requests.schedule(row, given(chunk));
    }
    planner.vote(intent);
    return planner;
  }
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

function sameWords(found: Int32Array, wanted: Int32Array): boolean {
  return found.length === wanted.length && found.every((value, index) => value === wanted[index]);
}
