// The entry of a thread that is a rank of a bench: follows the first rank until it leaves.
import { workerData } from 'node:worker_threads';
import { joinThreads } from '../ranks/index.js';
import type { AgreementSeat } from './agreement-cases.js';
import { AgreementRank } from './agreement-rank.js';
import { FutexBarrier } from './futex-barrier.js';

const { modules, group, rank, barrier } = workerData as AgreementSeat;
const meet = new FutexBarrier(barrier, group.size);
new AgreementRank(modules, joinThreads(group, rank), (rounds) => meet.wait(rounds)).follow();
