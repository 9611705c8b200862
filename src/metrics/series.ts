import type { StepStats } from '../runtime/index.js';

/** Labels of one value. */
export type Labels = Readonly<Record<string, string>>;

/** One metric, and how it is read from a rank's counts. */
export interface Series {
  /** Name of the metric: counters end in `_total`, units are in names. */
  readonly name: string;
  /** Whether it only grows. */
  readonly kind: 'counter' | 'gauge';
  /** What it counts, as a sentence. */
  readonly help: string;
  /** Names of the labels beside `rank`. */
  readonly labels: readonly string[];
  /** Its values by their labels, of one rank's counts. */
  readonly values: (stats: StepStats) => readonly (readonly [labels: Labels, value: number])[];
}

const one =
  (value: (stats: StepStats) => number): Series['values'] =>
  (stats) => [[{}, value(stats)]];

/** What both adapters report, named as Prometheus asks: counters end in `_total`, units are in names. */
export const SERIES: readonly Series[] = [
  {
    name: 'lockstep_steps_total',
    kind: 'counter',
    help: 'Steps launched, by how they ran: full, piecewise or eager.',
    labels: ['run'],
    values: ({ runs }) => Object.entries(runs).map(([run, value]) => [{ run }, value]),
  },
  {
    name: 'lockstep_decisions_total',
    kind: 'counter',
    help: 'Decisions by reason, parked ones included.',
    labels: ['reason'],
    values: ({ reasons }) => Object.entries(reasons).map(([reason, value]) => [{ reason }, value ?? 0]),
  },
  {
    name: 'lockstep_ubatched_steps_total',
    kind: 'counter',
    help: 'Steps launched in micro-batches.',
    labels: [],
    values: one(({ ubatchedSteps }) => ubatchedSteps),
  },
  {
    name: 'lockstep_tokens_total',
    kind: 'counter',
    help: 'Real tokens computed.',
    labels: [],
    values: one(({ tokens }) => tokens),
  },
  {
    name: 'lockstep_padded_tokens_total',
    kind: 'counter',
    help: 'Tokens computed, padding included.',
    labels: [],
    values: one(({ paddedTokens }) => paddedTokens),
  },
  {
    name: 'lockstep_parks_total',
    kind: 'counter',
    help: 'Times that all ranks agreed to wait for work, or to leave.',
    labels: [],
    values: one(({ parks }) => parks),
  },
  {
    name: 'lockstep_faults_total',
    kind: 'counter',
    help: 'Steps and captures that ended with an error.',
    labels: [],
    values: one(({ faults }) => faults),
  },
  {
    name: 'lockstep_parked',
    kind: 'gauge',
    help: '1 while the rank is parked.',
    labels: [],
    values: one(({ parked }) => (parked ? 1 : 0)),
  },
  {
    name: 'lockstep_graphs',
    kind: 'gauge',
    help: 'Keys captured as graphs.',
    labels: [],
    values: one(({ graphs }) => graphs),
  },
  {
    name: 'lockstep_graph_memory_bytes',
    kind: 'gauge',
    help: 'Device memory of the graphs.',
    labels: [],
    values: one(({ graphBytes }) => graphBytes),
  },
];

/** Where counts come from: ranks of this thread, or snapshots that other threads sent. */
export type StatsSource = () => Iterable<StepStats>;
