export { checkOutput } from './check-output.js';
export { writeDocument } from './document.js';
export { lockBeside } from './file-lock.js';
export { GrowingFile } from './growing-file.js';
export { LineWriter } from './line-writer.js';
export type { OpenOutput } from './open-output.js';
export { type RankFile, staleRankFiles } from './rank-files.js';
export { writeRefusal } from './refusal.js';
export { identityOf } from './target.js';
