import type { Figure, PlotTable } from './plots/index.js';

/** A number that a reader should see first. */
export interface Fact {
  readonly name: string;
  readonly value: string;
  /** What it is beside, or what it is of. */
  readonly beside?: string;
}

/** What a page says, before it is drawn. */
export interface ReportPage {
  /** The command, as in "lockstep plan". */
  readonly title: string;
  /** What was done, in a sentence. */
  readonly lead: string;
  readonly facts: readonly Fact[];
  readonly figures: readonly Figure[];
  /** Tables without a drawing. */
  readonly tables: readonly { readonly title: string; readonly text: string; readonly table: PlotTable }[];
  /** What the command prints for people. */
  readonly text: string;
  /** The document that it prints with `--json`. */
  readonly json: object;
}
