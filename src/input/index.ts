export { isPipe } from '#open-path';
export { csvFields, readCsv } from './csv.js';
export { type LineBlock, readLineBlocks } from './lines.js';
export type { CsvRow } from './quoted-csv.js';
export { lineRefusal, MAX_LINE_CHARACTERS, type RefuseLine } from './refusal.js';
export {
  checkAborted,
  readHead,
  readText,
  readWhole,
  sourceName,
  type TextOptions,
  type TextSource,
  untilAborted,
} from './text.js';
