/** A mistake made in one place of a rule. */
export interface Mutation {
  /** What the rule then does wrong. */
  readonly name: string;
  /** Source text that occurs once in all of the rules. */
  readonly find: string;
  readonly replace: string;
}
