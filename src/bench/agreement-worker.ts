// The entry of a thread that is a rank of a bench: follows the first rank until it leaves.
import { parentPort, workerData } from 'node:worker_threads';
import { joinThreads } from '../ranks/index.js';
import { AgreementRank } from './agreement-rank.js';
import type { AgreementSeat } from './agreement-threads.js';
import { FutexBarrier } from './futex-barrier.js';

const { modules, group, rank, barrier } = workerData as AgreementSeat;
const meet = new FutexBarrier(barrier, group.size);
const self = new AgreementRank(modules, joinThreads(group, rank), (rounds) => meet.wait(rounds));
parentPort?.postMessage('joined');
self.follow();
