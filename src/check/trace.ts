import type { RawRules } from '../agreement/index.js';
import { checkArguments, checkHas } from '../checks.js';
import { gatherText, reasonText, runText, type VoteRecord } from '../explain/index.js';
import { ACTION_WORDS, ENUMS, nameOf, recordOf, VOTE_WORDS, word } from '../layout/index.js';
import { countOf } from '../text.js';
import type { LocalState } from './domain.js';
import { PROPERTY_MEANINGS, type Property } from './properties.js';

/** One line of a counterexample: which rank does what. `rank` is null where all ranks do the same. */
export interface TraceLine {
  /** The part of a step, or of a capture, that the line is of. */
  readonly phase: 'capture' | 'vote' | 'resolve' | 'prepare' | 'run' | 'end';
  /** The rank that does it; null where all ranks do the same. */
  readonly rank: number | null;
  /** What is done, in words. */
  readonly text: string;
}

/** The lines as a table: step by step, which rank does what. */
export function traceText(trace: readonly TraceLine[]): string[] {
  checkArguments('traceText', { trace: [trace, 'objects'] });
  for (const line of trace) checkHas('a line of a trace', line, ['phase', 'text']);
  return trace.map(({ phase, rank, text }, index) => {
    const who = rank === null ? 'all' : `rank ${rank}`;
    return `${`${index + 1}`.padStart(4)}  ${phase.padEnd(7)}  ${who.padEnd(7)}  ${text}`;
  });
}

type Action = Readonly<Record<(typeof ACTION_WORDS)[number], number>>;

/** The counterexample to `property` that the table of these states gives. */
export function stepTrace(
  rules: RawRules,
  states: readonly LocalState[],
  previous: Int32Array<ArrayBuffer> | undefined,
  property: Property,
): TraceLine[] {
  const end = { phase: 'end' as const, rank: null, text: `violates ${property}: ${PROPERTY_MEANINGS[property]}` };
  return [...playStep(rules, states, previous), end];
}

/** Plays one table, and describes what every rank does. `previous`: the previous decision, if it matters. */
export function playStep(
  rules: RawRules,
  states: readonly LocalState[],
  previous?: Int32Array<ArrayBuffer>,
): TraceLine[] {
  const { table, decision, regions } = rules;
  for (const [rank, state] of states.entries()) table.set(state.row, rank * VOTE_WORDS.length);
  const votes = states.map(({ row }) => voteRecord(row));
  const lines: TraceLine[] = states.map(({ label, row }, rank) => ({
    phase: 'vote',
    rank,
    text: `votes: ${label}${row[word(VOTE_WORDS, 'wantsUbatches')] !== 0 ? ', wants micro-batches' : ''}`,
  }));
  const status = rules.rules.resolve(
    table.byteOffset,
    states.length,
    previous?.byteOffset ?? 0,
    decision.words.byteOffset,
  );
  if (status !== ENUMS.RESOLVE.ok) {
    return [...lines, { phase: 'resolve', rank: null, text: `refuse the table (${nameOf('RESOLVE', status)})` }];
  }
  const plan = { keys: rules.keys };
  const value = decision.snapshot();
  lines.push({
    phase: 'resolve',
    rank: null,
    text: `${runText(value, plan)} (${value.reason}: ${reasonText(value, votes, plan, rules.policy)})`,
  });
  if (value.parts.length > 0) lines.push({ phase: 'resolve', rank: null, text: `gather ${gatherText(value)}` });
  const local = regions.region('check').offset;
  const actions = states.map((_, rank): Action => {
    const row = table.byteOffset + rank * VOTE_WORDS.length * 4;
    rules.rules.act(decision.words.byteOffset, row, rank, local);
    const words = new Int32Array(table.buffer, local, ACTION_WORDS.length);
    return recordOf(ACTION_WORDS, words);
  });
  for (const [rank, action] of actions.entries()) lines.push(...actionLines(rank, action, value.run === 'park'));
  return lines;
}

/** `parked`: whether the ranks agreed on no step, so that a rank that runs none does as agreed. */
function actionLines(rank: number, action: Action, parked: boolean): TraceLine[] {
  const { preparedTokens, preparedRequests, tokens, requests, parts } = action;
  const run = nameOf('RUN', action.run);
  if (run === 'park') {
    return parked ? [] : [{ phase: 'run', rank, text: 'returns before the step, and enters none of its collectives' }];
  }
  const sizes = [action.part0Tokens, action.part1Tokens, action.part2Tokens, action.part3Tokens].slice(0, parts);
  const how = run === 'eager' ? 'eager' : `key ${action.key}`;
  const cut = parts > 1 ? ` in ${parts} ${action.overlap !== 0 ? 'overlapping ' : ''}parts` : '';
  return [
    {
      phase: 'prepare',
      rank,
      text: `prepares tensors of ${countOf(preparedTokens, 'token')} for ${countOf(preparedRequests, 'request')}`,
    },
    {
      phase: 'run',
      rank,
      text: `runs ${how}${cut}: ${countOf(tokens, 'token')}, ${countOf(requests, 'request')}; brings ${sizes.length > 1 ? `${sizes.join(' + ')} rows` : countOf(sizes[0], 'row')} to its collectives`,
    },
  ];
}

function voteRecord(row: Int32Array): VoteRecord {
  return recordOf(VOTE_WORDS, row);
}
