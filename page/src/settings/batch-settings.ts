import { policyNames } from 'lockstep/engines';

/** Requests of a rank that are alike. */
export interface RequestGroup {
  readonly count: number;
  readonly phase: 'decode' | 'prefill';
  /** Tokens of each in this step. */
  readonly queryLen: number;
  /** Tokens of each that are in the KV cache already. */
  readonly numComputedTokens: number;
  /** Of prefills: the prompt ends here. */
  readonly lastChunk: boolean;
}

/** What the step explorer explains: the batch of each rank, and what decides about it. */
export interface BatchSettings {
  readonly ranks: readonly (readonly RequestGroup[])[];
  /** Captured sizes in tokens, as `--ladder` takes them. */
  readonly ladder: string;
  readonly policy: string;
  readonly ubatches: number;
  readonly queryLen: number;
}

/** Most ranks, groups of a rank, and requests of a group that the explorer takes. */
export const MOST = Object.freeze({ ranks: 8, groups: 8, requests: 64 });

/** Two ranks, one of which has more to decode: the other pads. */
export const FIRST_BATCH: BatchSettings = {
  ranks: [
    [{ count: 3, phase: 'decode', queryLen: 1, numComputedTokens: 31, lastChunk: false }],
    [{ count: 6, phase: 'decode', queryLen: 1, numComputedTokens: 20, lastChunk: false }],
  ],
  ladder: '1,2,4,8,16',
  policy: 'lockstep',
  ubatches: 1,
  queryLen: 1,
};

/** As a link holds it: `3d1@31.6d1@20_!` … a rank is groups joined by `.`, ranks are joined by `_`. */
export function batchToText({ ranks, ladder, policy, ubatches, queryLen }: BatchSettings): string {
  const groupText = ({ count, phase, queryLen: tokens, numComputedTokens, lastChunk }: RequestGroup): string =>
    `${count}${phase === 'decode' ? 'd' : lastChunk ? 'l' : 'p'}${tokens}@${numComputedTokens}`;
  const batches = ranks.map((groups) => groups.map(groupText).join('.')).join('_');
  return [batches, ladder, policy, ubatches, queryLen].join(';');
}

const GROUP = /^(\d{1,3})([dpl])(\d{1,7})@(\d{1,9})$/;

/** The batches of a link, those of `FIRST_BATCH` where it holds none or what cannot be read. */
export function batchFromText(text: string | null): {
  readonly settings: BatchSettings;
  readonly faults: readonly string[];
} {
  if (text === null || text === '') return { settings: FIRST_BATCH, faults: [] };
  const [batches = '', ladder = '', policy = '', ubatches = '', queryLen = ''] = text.split(';');
  const ranks = batches.split('_').map((rank) => (rank === '' ? [] : rank.split('.').map(readGroup)));
  const groups = ranks.flat();
  const fits =
    ranks.length <= MOST.ranks &&
    ranks.every((own) => own.length <= MOST.groups) &&
    groups.every(
      (group) => group !== null && group.count >= 1 && group.count <= MOST.requests && group.queryLen >= 1,
    ) &&
    policyNames().includes(policy as never) &&
    /^[1-4]$/.test(ubatches) &&
    /^[1-9]\d{0,2}$/.test(queryLen) &&
    ladder.length <= 2000;
  if (!fits)
    return { settings: FIRST_BATCH, faults: ['The link holds no batches that can be read: these are others.'] };
  return {
    settings: {
      ranks: ranks as RequestGroup[][],
      ladder,
      policy,
      ubatches: Number(ubatches),
      queryLen: Number(queryLen),
    },
    faults: [],
  };
}

function readGroup(text: string): RequestGroup | null {
  const [, count, kind, queryLen, computed] = GROUP.exec(text) ?? [];
  if (kind === undefined) return null;
  return {
    count: Number(count),
    phase: kind === 'd' ? 'decode' : 'prefill',
    queryLen: Number(queryLen),
    numComputedTokens: Number(computed),
    lastChunk: kind === 'l',
  };
}
