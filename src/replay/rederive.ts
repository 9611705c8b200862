import { RawRules } from '../agreement/index.js';
import { LockstepError } from '../errors.js';
import { indexOf, VOTE_WORDS } from '../layout/index.js';
import type { PlannerModules } from '../memory/index.js';
import type { Recording } from '../recorder/index.js';

/** What the rules make of the tables of a recording. */
export interface Rederived {
  /** Steps whose decision was derived again. */
  readonly derived: number;
  /** Steps that another plan was in force for, or whose decision depends on one that is not recorded. */
  readonly skipped: number;
  /** Steps in which this rank built another decision than the rules derive; with the error where they refuse its table. */
  readonly differing: readonly { readonly step: number; readonly refused: string | null }[];
}

/** Derives every decision of a recording again, from the tables it gathered. */
export function rederive(recording: Recording, modules: PlannerModules): Rederived {
  const { document, records, ranks } = recording;
  if (document === null) return { derived: 0, skipped: records.length, differing: [] };
  const { limits, policy, keys, replicaSize } = document;
  const rules = new RawRules(modules, { limits, policy, keys, ranks, replicaSize });
  const remembers = policy.ubatchHysteresis > 0;
  const differing: { step: number; refused: string | null }[] = [];
  let derived = 0;
  let skipped = 0;
  /** The decision of the step before, where it was derived. */
  let previous: Int32Array | undefined;
  let before: number | undefined;
  for (const { step, table, decisionHash } of records) {
    // A policy that remembers decides the first step of all without a previous decision.
    const knows = !remembers || previous !== undefined || (records[0]?.step === step && step === 0);
    const follows = before === undefined || ((before + 1) | 0) === step;
    if (table === null || decisionHash === null || table[PLAN_HASH] !== rules.planHash || !knows || !follows) {
      skipped++;
      previous = undefined;
      before = undefined;
      continue;
    }
    rules.table.set(table);
    derived++;
    before = step;
    try {
      const decision = rules.resolve(step, remembers ? previous : undefined);
      previous = decision.words.slice();
      const hash = rules.rules.hashDecision(decision.words.byteOffset);
      if (hash !== decisionHash) differing.push({ step, refused: null });
    } catch (error) {
      if (!(error instanceof LockstepError)) throw error;
      differing.push({ step, refused: error.message });
      previous = undefined;
    }
  }
  return { derived, skipped, differing };
}

const PLAN_HASH: number = indexOf(VOTE_WORDS).planHash;
