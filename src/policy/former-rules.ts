import type { Faults } from '../checks.js';
import { shown } from '../errors.js';
import { ENUMS } from '../layout/index.js';

/**
 * Former rules of engines, kept so that the checker can show what they broke. In them a rank decides by its own batch where the current
 * rules follow the decision, or does not ask the other ranks where they do. No planner acts on them.
 */
export interface FormerRules {
  /** Part sizes are those agreed (current), or this rank's own: 'local' (ATOM before pull request 1275). */
  readonly partSizes: keyof typeof ENUMS.PART_SIZES;
  /** Input preparation follows the decision (current), or looks the padded size up itself: 'local' (ATOM before pull request 1120). */
  readonly prepare: keyof typeof ENUMS.PREPARE;
  /** Before a capture all ranks agree that each has what it needs (current), or there is no agreement: 'none' (TensorRT-LLM before 14986). */
  readonly captureGuard: keyof typeof ENUMS.CAPTURE_GUARD;
  /** The graph is the one agreed (current), or each rank looks it up by its own counts: 'own' (Megatron before pull request 3033). */
  readonly graphLookup: keyof typeof ENUMS.GRAPH_LOOKUP;
  /** A rank without requests runs a dummy (current), or returns before the step's collectives: 'return' (vLLM before pull request 28224). */
  readonly idleRanks: keyof typeof ENUMS.IDLE_RANKS;
  /**
   * A dummy runs as agreed (current), 'eager' whatever the others run (vLLM before pull request 24963), or on the graph of a batch of
   * 'one-token' (vLLM before pull request 25906).
   */
  readonly dummies: keyof typeof ENUMS.DUMMIES;
}

const CHOICES = {
  partSizes: ENUMS.PART_SIZES,
  prepare: ENUMS.PREPARE,
  captureGuard: ENUMS.CAPTURE_GUARD,
  graphLookup: ENUMS.GRAPH_LOOKUP,
  idleRanks: ENUMS.IDLE_RANKS,
  dummies: ENUMS.DUMMIES,
} as const;

/** The current rule in place of each former one. */
export const TODAYS_RULES: FormerRules = Object.freeze({
  partSizes: 'agreed',
  prepare: 'decision',
  captureGuard: 'all',
  graphLookup: 'agreed',
  idleRanks: 'dummy',
  dummies: 'agreed',
});

const NAMES = Object.keys(TODAYS_RULES) as (keyof FormerRules)[];

/** Notes the name of a former rule that never existed. */
export function checkFormerRules(given: Partial<FormerRules>, faults: Faults): void {
  for (const name of NAMES) {
    if (given[name] !== undefined) faults.choice(name, given[name], Object.keys(CHOICES[name]));
  }
}

/**
 * Notes a former rule other than the current one: a planner ignores it, so accepting it would hide the fault it stands for. Also notes a
 * match of mixed graphs that accepts graphs without a row for some request.
 */
export function refuseFormerRules(given: Partial<FormerRules> & { readonly mixedMatch: string }, faults: Faults): void {
  checkFormerRules(given, faults);
  for (const name of NAMES) {
    const value = given[name];
    faults.check(
      value === undefined || value === TODAYS_RULES[name] || !Object.hasOwn(CHOICES[name], value),
      `policy.${name} is ${shown(value)}: it names a former rule, which only \`lockstep check\` explores; leave it out`,
    );
  }
  faults.check(
    given.mixedMatch !== 'slot-count',
    'policy.mixedMatch is "slot-count": such a mixed graph may have no row for some prefill, which only `lockstep check` explores; use "slots" or "strict"',
  );
}

/** The rules, former or current, as the rules module reads them. */
export function formerRuleWords(policy: Partial<FormerRules>): [keyof FormerRules, number][] {
  const rules = { ...TODAYS_RULES, ...policy };
  return NAMES.map((name) => [name, (CHOICES[name] as Record<string, number>)[rules[name]]]);
}
