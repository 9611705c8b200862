import { afterEach } from 'vitest';
import { type CaptureKey, createPlanner, type Policy, type StepPlanner } from '../../dist/entry/planner.js';
import {
  createRank,
  createSolo,
  type Device,
  type Executor,
  type Forward,
  type ForwardPart,
  openDevice,
  type Rank,
  type StepResult,
} from '../../dist/index.js';
import { TEST_DEVICE } from './device-fixture.js';

export const limits = {
  maxNumSeqs: 6,
  maxNumBatchedTokens: 32,
  maxModelLen: 64,
  blockSize: 4,
  numBlocks: 64,
  queryLen: 1,
};

export interface Made {
  readonly rank: Rank;
  readonly planner: StepPlanner;
  readonly device: Device;
}

const made: Made[] = [];
afterEach(() => {
  for (const { rank, planner, device } of made.splice(0)) {
    rank.dispose();
    planner.dispose();
    device.dispose();
  }
});

export async function solo(
  keys: readonly CaptureKey[],
  forward: (executor: Executor) => Forward,
  policy: Partial<Policy> = {},
): Promise<Made> {
  const planner = await createPlanner({ limits, plan: { keys }, policy });
  const device = openDevice({ device: TEST_DEVICE });
  const rank = createRank({ planner, device, collective: createSolo(), forward, checkShapes: true });
  made.push({ rank, planner, device });
  return { rank, planner, device };
}

/** Takes a step with as many new decodes of one token, and a new prefill of each length. */
export function step({ rank, planner }: Made, decodes: number, prefills: readonly number[] = []): StepResult {
  for (const [index, queryLen] of [...Array<number>(decodes).fill(1), ...prefills].entries()) {
    const blockIds = Array.from({ length: Math.ceil(queryLen / 4) }, (_, block) => 1 + 8 * index + block);
    const row = planner.requests.add({ blockIds });
    planner.requests.schedule(row, { phase: index < decodes ? 'decode' : 'prefill', queryLen });
  }
  return rank.stepSync();
}

/** Counts of a part, as a model sees them. */
export const counts = ({ tokens, requests, decodeRequests }: ForwardPart): number[] => [
  tokens,
  requests,
  decodeRequests,
];
