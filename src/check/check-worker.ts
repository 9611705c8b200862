// The entry of a worker thread of `checkPolicy`: explores the slices that it is sent, one after the other.
import { parentPort, workerData } from 'node:worker_threads';
import type { CheckWorkerData, RankedSlice } from './check-pool.js';
import { rulesOf } from './checked-rules.js';
import { TableExplorer } from './table-explorer.js';

const { modules, pair, replicaSize } = workerData as CheckWorkerData;
const port = parentPort;
if (port === null) throw new TypeError('check-worker.js is the entry of a worker thread: start it by checkPolicy');

/** The tables of one number of ranks at a time: they come in ascending order. */
let current: { readonly ranks: number; readonly explorer: TableExplorer } | null = null;

function explorerOf(ranks: number): TableExplorer {
  if (current?.ranks !== ranks) {
    const { rules, replicas } = rulesOf(modules, pair, ranks, replicaSize);
    current = { ranks, explorer: new TableExplorer(rules, replicas) };
  }
  return current.explorer;
}

port.on('message', ({ ranks, ...slice }: RankedSlice) => port.postMessage(explorerOf(ranks).explore(slice)));
