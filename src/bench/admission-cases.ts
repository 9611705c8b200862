import { RawRules } from '../agreement/index.js';
import { decodePlan } from '../keys/index.js';
import type { PlannerModules } from '../memory/index.js';
import { StepPlanner } from '../planner/index.js';
import { LOCKSTEP_POLICY } from '../policy/index.js';
import { openRecorder } from '../recorder/index.js';
import type { BenchCase, BenchRow } from './measure.js';
import { stepCase } from './step-cases.js';

/** Rows of what a step takes for its rows to be trusted and recorded, and of the decision by its ranks. */
export const ADMISSION_ROWS: readonly BenchRow[] = [
  { name: 'admission-256', make: (modules) => admissionCase(modules, 256) },
  ...[8, 64, 1024].map(
    (ranks): BenchRow => ({
      name: `resolve-${ranks}`,
      make: (modules) => resolveCase(modules, ranks),
    }),
  ),
  { name: 'recorder-8', make: (modules) => recorderCase(modules, 8) },
];

/** A steady step of `count` decodes, beside what is in it of seal, admission and decision hash. */
function admissionCase(modules: PlannerModules, count: number): BenchCase {
  const { rules, table, decision } = votedRules(modules, 1, count);
  return {
    ...stepCase(modules, count),
    limit: () => {
      rules.sealVote(table.byteOffset, 0, 7);
      rules.admit(table.byteOffset, 1);
      rules.hashDecision(decision.words.byteOffset);
    },
    peer: null,
  };
}

/** Admission and decision of so many ranks, for each of them, beside a copy of the table. */
function resolveCase(modules: PlannerModules, ranks: number): BenchCase {
  const { rules, table, rows, decision } = votedRules(modules, ranks, 64);
  for (const [rank, row] of rows.entries()) rules.sealVote(row.byteOffset, rank, 7);
  const copy = new Int32Array(table.length);
  return {
    pieces: ranks,
    ours: () => {
      rules.admit(table.byteOffset, ranks);
      rules.resolve(table.byteOffset, ranks, 0, decision.words.byteOffset);
    },
    limit: () => copy.set(table),
    peer: null,
  };
}

/** What a recorder writes of a step of so many ranks, beside a copy of the rows in it. */
function recorderCase(modules: PlannerModules, ranks: number): BenchCase {
  const planner = new StepPlanner(modules, { ranks });
  const recorder = openRecorder({ planner, path: null });
  planner.vote();
  const rows = Int32Array.from([...planner.row, ...planner.table]);
  const copy = new Int32Array(rows.length);
  const collectives = { inGraphs: 1, eager: 1 };
  let sequence = 0;
  return {
    ours: () => {
      recorder.voted(++sequence);
      recorder.gathered();
      recorder.built();
      recorder.launched(collectives);
    },
    limit: () => copy.set(rows),
    peer: null,
  };
}

/** Rules of ranks that have all voted for one to `most` decodes. */
function votedRules(modules: PlannerModules, ranks: number, most: number): RawRules {
  const limits = { maxNumSeqs: most, maxNumBatchedTokens: most, queryLen: 1 };
  const { keys } = decodePlan({ sizes: [most], limits, policy: LOCKSTEP_POLICY });
  const rules = new RawRules(modules, { limits, keys, ranks });
  for (let rank = 0; rank < ranks; rank++) {
    const tokens = 1 + (rank % most);
    const facts = { tokens, decodeRequests: tokens, uniformQueryLen: 1, maxQueryLen: 1, maxDecodeQueryLen: 1 };
    rules.vote(rank, { ...facts, maxSeqLen: 9, part0Tokens: tokens });
  }
  rules.resolve();
  return rules;
}
