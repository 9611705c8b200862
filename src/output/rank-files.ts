import { readdirSync } from 'node:fs';
import path from 'node:path';

/** Names the file of a rank in a folder: `rank-N`, and what follows of all ranks. */
export type RankFile = (folder: string, rank: number) => string;

/** Files in a folder of ranks from `ranks` on, which an earlier run of more ranks left there. None where the folder cannot be read. */
export function staleRankFiles(folder: string, ranks: number, fileOf: RankFile): string[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    const rank = Number(/^rank-(\d+)\./.exec(name)?.[1]);
    return rank >= ranks && path.join(folder, name) === fileOf(folder, rank) ? [fileOf(folder, rank)] : [];
  });
}
