/** A range of the planner's memory, in bytes. */
export interface Region {
  readonly name: string;
  readonly offset: number;
  readonly bytes: number;
}
