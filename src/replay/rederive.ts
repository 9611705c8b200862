import { RawRules } from '../agreement/index.js';
import { completeLimits } from '../config.js';
import { LockstepError } from '../errors.js';
import { checkPlan } from '../keys/index.js';
import { indexOf, VOTE_WORDS } from '../layout/index.js';
import type { PlannerModules } from '../memory/index.js';
import { completeCheckedPolicy } from '../policy/index.js';
import type { Recording, RecordingDocument } from '../recorder/index.js';
import { splitDecision } from './predecessors.js';

/** What the rules make of the tables of a recording. */
export interface Rederived {
  /** Steps whose decision was derived again. */
  readonly derived: number;
  /** Steps that another plan was in force for, or that were not built. */
  readonly skipped: number;
  /** Steps in which this rank built another decision than the rules derive; with the error where they refuse its table. */
  readonly differing: readonly { readonly step: number; readonly refused: string | null }[];
}

/**
 * Derives every decision of a recording again, from the tables it gathered. Where a policy remembers the decision before and that is not recorded (the ring
 * wrapped, or its step failed), the decision has to follow from one of the two that there can have been: without micro-batches, or with some.
 * Errors: ERR_INPUT_INVALID for a document that no rank can have written.
 */
export function rederive(recording: Recording, modules: PlannerModules): Rederived {
  const { document, records } = recording;
  if (document === null) return { derived: 0, skipped: records.length, differing: [] };
  const rules = rulesOf(recording, document, modules);
  const remembers = rules.policy.ubatchHysteresis > 0;
  const differing: { step: number; refused: string | null }[] = [];
  let derived = 0;
  let skipped = 0;
  /** The decision of the step before, where it was derived. */
  let last: { readonly step: number; readonly words: Int32Array } | undefined;
  for (const { step, table, decisionHash } of records) {
    if (table === null || decisionHash === null || table[PLAN_HASH] !== rules.planHash) {
      skipped++;
      last = undefined;
      continue;
    }
    const follows = last !== undefined && ((last.step + 1) | 0) === step;
    const begins = recording.begun === records.length && records[0]?.step === step;
    const known =
      remembers && last !== undefined && follows
        ? [last.words]
        : begins || !remembers
          ? [undefined]
          : [undefined, splitDecision(rules, step)];
    rules.table.set(table);
    derived++;
    last = undefined;
    try {
      const found = known.map((previous) => decided(rules, step, previous)).find(({ hash }) => hash === decisionHash);
      if (found === undefined) differing.push({ step, refused: null });
      else last = { step, words: found.words };
    } catch (error) {
      if (!(error instanceof LockstepError)) throw error;
      differing.push({ step, refused: error.message });
    }
  }
  return { derived, skipped, differing };
}

/** The rules of a recording, once they are what its rank can have had: a file may be damaged anywhere. */
function rulesOf(
  { source, ranks, planHash }: Recording,
  { limits, policy, keys, replicaSize }: RecordingDocument,
  modules: PlannerModules,
): RawRules {
  const refused = (what: string, cause?: unknown): LockstepError => {
    const message = `${source}: what it says of limits, policy and keys is damaged: ${what}`;
    return new LockstepError('ERR_INPUT_INVALID', message, { path: source }, { cause });
  };
  let rules: RawRules;
  try {
    checkPlan({ keys }, completeLimits(limits), completeCheckedPolicy(policy));
    rules = new RawRules(modules, { limits, policy, keys, ranks, replicaSize });
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    throw refused(error.message, error);
  }
  if (rules.planHash !== planHash) throw refused('its hash is another');
  return rules;
}

/** The decision of the rules' table after another one. */
function decided(rules: RawRules, step: number, previous: Int32Array | undefined): { words: Int32Array; hash: number } {
  const decision = rules.resolve(step, previous);
  return { words: decision.words.slice(), hash: rules.rules.hashDecision(decision.words.byteOffset) };
}

const PLAN_HASH: number = indexOf(VOTE_WORDS).planHash;
