/**
 * Words of a recording: a header, the document that says how steps are decided, then a ring of records. Every word is a little-endian
 * int32. A record is written in place while its step runs, its `state` last, so that the file of a killed process says how far it came.
 */
export const HEADER_WORDS = [
  'magic',
  'version',
  'layoutVersion',
  'rank',
  'ranks',
  'voteWords',
  'documentOffset',
  'documentRoom',
  'documentBytes',
  'ringOffset',
  'slots',
  'recordWords',
  'begun',
  'processId',
  'planHash',
  'startedSeconds',
  'run',
  'ended',
  'begunHigh',
  'captureState',
  'captureStage',
  'captureKey',
  'captureStep',
  'captureSequence',
  'captureRefused',
  'captureError0',
  'captureError1',
  'captureError2',
  'captureError3',
  'captureError4',
  'captureError5',
] as const;
/** Words that a header has room for: the document begins after them. Files that were written before a word was are read with 0 in its place. */
export const HEADER_ROOM = 32;
/** Words of a header of version 1, which ends before `run`. */
export const HEADER_WORDS_1: number = HEADER_WORDS.indexOf('run');

/** "LSFR", and the version of what follows. */
export const MAGIC = 0x5246_534c;
export const RECORDING_VERSION = 2;

/** Words of a record before the rank's own row and the gathered table. */
export const RECORD_WORDS = [
  'state',
  'step',
  'sequence',
  'decisionHash',
  'run',
  'captureKey',
  'collectivesInGraphs',
  'collectivesEager',
  'milliseconds',
  'refused',
  'error0',
  'error1',
  'error2',
  'error3',
  'error4',
  'error5',
] as const;

/**
 * How far a rank came in a step. `voted`: it entered the all-gather; `gathered`: it has the table; `built`: its tensors are; `launched`: the step is
 * launched, or the ranks parked.
 */
export const RECORD_STATES = ['none', 'voted', 'gathered', 'built', 'launched'] as const;
/** How far a rank came in a step. */
export type RecordState = (typeof RECORD_STATES)[number];

/**
 * What the ranks agree on in a capture: the keys that all have, then for each key that all can warm it up, that all can capture it, and that all hold its
 * graphs. A header holds the last one, with a `state` as a record has: `voted`: the rank entered the all-gather; `gathered`: they agreed; `launched`: the
 * capture is done.
 */
export const CAPTURE_STAGES = ['keys', 'warm-up', 'capture', 'held'] as const;
/** What the ranks agree on in a capture. */
export type CaptureStage = (typeof CAPTURE_STAGES)[number];

/** Most characters of an error's code that a record keeps. */
export const ERROR_CHARACTERS = 24;

/** Most steps that a recording keeps. */
export const MAX_STEPS: number = 1 << 20;

/** Steps that a recording keeps where nothing else is said. */
export const DEFAULT_RECORDED_STEPS = 1024;
