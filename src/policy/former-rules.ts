import type { Faults } from '../config.js';
import { shown } from '../errors.js';
import { ENUMS } from '../layout/index.js';

/**
 * Rules as engines once had them: a rank looks at itself where today's rules look at the decision, or asks nobody where they ask
 * all. They are kept so that the checker can show what they broke; no planner acts on them.
 */
export interface FormerRules {
  /** Part sizes are those agreed (today), or this rank's own: 'local' (ATOM before pull request 1275). */
  readonly partSizes: keyof typeof ENUMS.PART_SIZES;
  /** Input preparation follows the decision (today), or looks the padded size up itself: 'local' (ATOM before pull request 1120). */
  readonly prepare: keyof typeof ENUMS.PREPARE;
  /** Before a capture all ranks agree that each has what it needs (today), or 'none' is asked (TensorRT-LLM before 14986). */
  readonly captureGuard: keyof typeof ENUMS.CAPTURE_GUARD;
}

const CHOICES = {
  partSizes: ENUMS.PART_SIZES,
  prepare: ENUMS.PREPARE,
  captureGuard: ENUMS.CAPTURE_GUARD,
} as const;

/** The rule of today in place of each former one. */
export const TODAYS_RULES: FormerRules = Object.freeze({
  partSizes: 'agreed',
  prepare: 'decision',
  captureGuard: 'all',
});

const NAMES = Object.keys(TODAYS_RULES) as (keyof FormerRules)[];

/** Notes a former rule that there never was. */
export function checkFormerRules(given: Partial<FormerRules>, faults: Faults): void {
  for (const name of NAMES) {
    if (given[name] !== undefined) faults.choice(name, given[name], Object.keys(CHOICES[name]));
  }
}

/**
 * Notes a former rule that is not today's: a planner that seemed to act on one would hide the fault it stands for. Also a match of mixed
 * graphs that takes graphs which have no row for some request.
 */
export function refuseFormerRules(given: Partial<FormerRules> & { readonly mixedMatch: string }, faults: Faults): void {
  checkFormerRules(given, faults);
  for (const name of NAMES) {
    const value = given[name];
    faults.check(
      value === undefined || value === TODAYS_RULES[name] || !Object.hasOwn(CHOICES[name], value),
      `policy.${name} is ${shown(value)}: it stands for a rule as it once was, which only \`lockstep check\` explores; leave it out`,
    );
  }
  faults.check(
    given.mixedMatch !== 'slot-count',
    'policy.mixedMatch is "slot-count": such a mixed graph may have no row for some prefill, which only `lockstep check` explores; use "slots" or "strict"',
  );
}

/** The rules, former or today's, as the rules module reads them. */
export function formerRuleWords(policy: Partial<FormerRules>): [keyof FormerRules, number][] {
  const rules = { ...TODAYS_RULES, ...policy };
  return NAMES.map((name) => [name, (CHOICES[name] as Record<string, number>)[rules[name]]]);
}
