/** What a process did with a stand-in library, as the library writes it: a line of the file LOCKSTEP_STANDIN_REPORT. */
export interface StandinReport {
  readonly library: 'cuda' | 'hip' | 'nccl';
  readonly pid: number;
  /** Of the order of its work: LOCKSTEP_STANDIN_SEED set to it gives the same. */
  readonly seed: number;
  /** By symbol. */
  readonly calls: Readonly<Record<string, number>>;
  /** Pieces of work that streams did. */
  readonly work: number;
  readonly injected: number;
  /** Calls that needed a context after its fault. */
  readonly afterFault: number;
  readonly pending: number;
  /** Breaches of rules, with the symbol. */
  readonly refused: readonly string[];
  readonly faults: readonly string[];
  readonly held: Readonly<Record<string, number>>;
}
