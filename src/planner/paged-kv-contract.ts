import type { ForwardBatch, KvGroupMetadata, KvGroupTensors } from '../batch/index.js';
import { equal, storedBefore } from './shape-checks.js';

/** The rows of a view, and the row of the block table that its first row is. */
interface PagedRows {
  readonly seqLens: Int32Array;
  readonly attentionRequests: number;
  readonly tableRow: number;
  /** Whether a row of the view holds a request. */
  readonly isReal: (row: number) => boolean;
}

/**
 * Each request's entries in `kvIndices` are the first of its row in the group's block table, as many as its stored tokens fill; a padded
 * row has the null block where the padding record gives it a token, else nothing. Throws ERR_SHAPE_CONTRACT.
 */
export function checkPagedKv(
  name: string,
  view: KvGroupTensors,
  rows: PagedRows,
  local: ForwardBatch,
  group: KvGroupMetadata,
): void {
  const { paddedSeqLen } = local.sizes;
  const { kernelBlockSize: page } = group.sizes;
  let next = 0;
  for (let row = 0; row < rows.attentionRequests; row++) {
    const real = rows.isReal(row);
    const length = real ? storedBefore(local, rows.seqLens[row]) : paddedSeqLen;
    const pages = Math.ceil(length / page);
    equal(`${name}.kvIndptr[${row}]`, view.kvIndptr[row], next);
    const lastPageLen = pages > 0 ? length - (pages - 1) * page : 1;
    equal(`${name}.kvLastPageLen[${row}]`, view.kvLastPageLen[row], lastPageLen);
    const from = (rows.tableRow + row) * group.tableWidth;
    for (let index = 0; index < pages; index++) {
      const block = real ? group.blockTable[from + index] : 0;
      equal(`${name}.kvIndices[${next + index}]`, view.kvIndices[next + index], block);
    }
    next += pages;
  }
  equal(`${name}.kvIndptr[${rows.attentionRequests}]`, view.kvIndptr[rows.attentionRequests], next);
}
