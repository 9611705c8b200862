import { LockstepError } from '../errors.js';
import { type ENUMS, ERROR_WORDS, nameOf, word } from '../layout/index.js';

/** Names the KV cache group in a refused edit, if there are several. */
interface GroupRefusal {
  readonly of: string;
  readonly details: { readonly group?: number };
}

const NO_GROUP: GroupRefusal = { of: '', details: {} };

/** What a refused edit says. */
const REFUSALS: Record<
  Exclude<keyof typeof ENUMS.EDIT, 'ok'>,
  (row: number, value: number, limit: number, group: GroupRefusal) => LockstepError
> = {
  'row-unknown': (row, _value, limit) =>
    new LockstepError(
      'ERR_ROW_UNKNOWN',
      `No request has row ${row}: rows come from requests.add() and end with remove() (${limit} at most)`,
      { row },
    ),
  'rows-full': (_row, value, limit) =>
    new LockstepError(
      'ERR_BATCH_LIMIT',
      `There are ${value} requests already, and maxNumSeqs is ${limit}. Remove one first, or raise maxNumSeqs.`,
      { requests: value, limit, options: ['maxNumSeqs'] },
    ),
  'block-invalid': (row, value, limit, group) =>
    new LockstepError(
      'ERR_BLOCK_INVALID',
      `Block ${value}${group.of} cannot be used: ids run from 1 to ${limit - 1} (numBlocks ${limit}), and 0 is the null block`,
      { row, block: value, numBlocks: limit, options: ['numBlocks'], ...group.details },
    ),
  'blocks-full': (row, value, limit, group) =>
    new LockstepError(
      'ERR_BATCH_LIMIT',
      `${value} blocks${group.of} for one request, and maxModelLen allows ${limit}. Give it fewer, or raise maxModelLen.`,
      { row, blocks: value, limit, options: ['maxModelLen'], ...group.details },
    ),
  'tokens-full': (row, value, limit) =>
    new LockstepError(
      'ERR_BATCH_LIMIT',
      `${value} tokens scheduled in one step, and maxNumBatchedTokens is ${limit}. Schedule a shorter chunk.`,
      { row, tokens: value, limit, options: ['maxNumBatchedTokens'] },
    ),
  'position-beyond-blocks': (row, value, limit, group) =>
    new LockstepError(
      'ERR_POSITION_BEYOND_BLOCKS',
      `Tokens up to position ${value - 1} need blocks${group.of}, and the request's cover ${limit}. Append blocks first.`,
      { row, tokens: value, covered: limit, ...group.details },
    ),
  'scheduled-twice': (row) =>
    new LockstepError('ERR_STEP_ORDER', `The request in row ${row} is scheduled in this step already`, { row }),
  'query-length': (row, value, limit) =>
    new LockstepError(
      'ERR_BATCH_LIMIT',
      `${value} tokens of one request: from 1 to ${limit} can be scheduled here (queryLen for a decode, maxNumBatchedTokens for a prefill)`,
      { row, queryLen: value, limit, options: ['queryLen', 'maxNumBatchedTokens'] },
    ),
  'model-length': (row, value, limit) =>
    new LockstepError(
      'ERR_BATCH_LIMIT',
      `${value} tokens in one request: from 0 to maxModelLen (${limit}) are possible`,
      {
        row,
        tokens: value,
        limit,
        options: ['maxModelLen'],
      },
    ),
  'block-written-twice': (row, value, other, group) =>
    new LockstepError(
      'ERR_BLOCK_CONFLICT',
      row === other
        ? `The request in row ${row} has block ${value}${group.of} twice, and writes it in this step`
        : `Block ${value}${group.of} is written by the requests in rows ${row} and ${other} in this step: give one of them another block`,
      { row, other, block: value, ...group.details },
    ),
  'block-shared': (row, value, other, group) =>
    new LockstepError(
      'ERR_BLOCK_CONFLICT',
      `The request in row ${row} writes block ${value}${group.of}, which holds computed tokens of row ${other}: copy the block first, or schedule row ${other} with dependsOn: ${row}`,
      { row, other, block: value, ...group.details },
    ),
  'row-not-continued': (row) =>
    new LockstepError(
      'ERR_STEP_ORDER',
      `The request in row ${row} is not a decode of the last step that can be continued: schedule it instead`,
      { row },
    ),
  'drafts-accepted': (row, value, limit) =>
    new LockstepError(
      'ERR_INPUT_INVALID',
      `${value} accepted drafts of the request in row ${row}, which had ${limit} in the last step: give 0 to ${limit}`,
      { row, acceptedDrafts: value, drafts: limit },
    ),
  'row-scheduled': (row) =>
    new LockstepError(
      'ERR_STEP_ORDER',
      `The request in row ${row} is scheduled: advance it after build(), when the step is over`,
      { row },
    ),
};

/** The error of an edit that returned `result`, one of `EDIT`, with its error words; `groups` KV cache groups there are. */
export function editRefusal(result: number, words: Int32Array, groups: number): LockstepError {
  const read = (name: (typeof ERROR_WORDS)[number]): number => words[word(ERROR_WORDS, name)];
  const group = read('group');
  const named = groups > 1 ? { of: ` of KV group ${group}`, details: { group } } : NO_GROUP;
  return REFUSALS[nameOf('EDIT', result) as keyof typeof REFUSALS](read('row'), read('value'), read('limit'), named);
}

/** The error for a row that no request has; there are `rows` rows. */
export function unknownRow(row: number, rows: number): LockstepError {
  return REFUSALS['row-unknown'](row, row, rows, NO_GROUP);
}
