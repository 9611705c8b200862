import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import { LockstepError } from '../../../dist/errors.js';
import type { Collective, MpiMail } from '../../../dist/ranks/index.js';
import { MailedOrder } from '../../../dist/service/mailed-order.js';
import type { FromRank, ToRank } from '../../../dist/service/rank-messages.js';

/** Processes whose letters come at once, and the first one's reports and wakes. */
function job(size: number, replicaSize: number, timeoutMs = 60_000) {
  const boxes = Array.from({ length: size }, () => [] as { from: number; bytes: Uint8Array }[]);
  const reports: [number, FromRank][] = [];
  const seen = { wakes: 0, ended: null as LockstepError | null };
  const collective = {
    wake: () => void seen.wakes++,
    throwIfEnded: () => {
      if (seen.ended !== null) throw seen.ended;
    },
  } as Pick<Collective, 'wake' | 'throwIfEnded'> as Collective;
  const orders = boxes.map((box, rank) => {
    const mail = {
      rank,
      size,
      send: (to: number, bytes: Uint8Array) => void boxes[to]?.push({ from: rank, bytes: bytes.slice() }),
      receive: () => box.shift() ?? null,
    } as Pick<MpiMail, 'rank' | 'size' | 'send' | 'receive'> as MpiMail;
    const onReport = (of: number, message: FromRank): void => void reports.push([of, message]);
    return new MailedOrder({ mail, collective, replicaSize, timeoutMs, onReport });
  });
  return { orders: orders as [MailedOrder, ...MailedOrder[]], boxes, reports, seen };
}

const cancel = (id: number): ToRank => ({ kind: 'cancel', id });
const arrive = (id: number, tokens: number): ToRank => ({
  kind: 'arrive',
  request: {
    ...{ id, ids: new Int32Array(tokens).fill(id), maxTokens: 1, stopTokenIds: [] },
    controls: { temperature: 0, topK: 0, topP: 1, seed: 1n << 63n },
  },
});
const idsOf = (messages: readonly ToRank[]): number[] =>
  messages.map((message) => (message.kind === 'arrive' ? message.request.id : message.id));

describe('messages for the processes of a job', () => {
  it('are in effect in the same step on all processes of their replica, and on no others', async () => {
    const { orders, seen } = job(4, 2);
    const [first] = orders;
    const take = async (step: number): Promise<number[][]> => {
      const all: number[][] = [];
      for (const order of orders) all.push(idsOf(await order.take(step)));
      return all;
    };
    expect(first.waiting).toBe(false);
    first.add(1, cancel(5));
    first.add(0, arrive(6, 3));
    first.add(1, arrive(7, 2));
    expect(first.waiting).toBe(true);
    expect(seen.wakes).toBe(3);
    expect(await take(0)).toEqual([[6], [6], [5, 7], [5, 7]]);
    expect(first.waiting).toBe(false);
    expect(await take(1)).toEqual([[], [], [], []]);
    first.add(1, cancel(7));
    expect(await take(2)).toEqual([[], [], [7], [7]]);
    expect(orders.map(({ taken }) => taken)).toEqual([1, 1, 3, 3]);
  });

  it('are whole, and no more at a time than some bytes, in their order', async () => {
    const { orders } = job(2, 1);
    const [first, other] = orders as [MailedOrder, MailedOrder];
    const given = [arrive(0, 200_000), arrive(1, 200_000), arrive(2, 10), arrive(3, 400_000), cancel(4)];
    for (const message of given) first.add(1, message);
    const steps: ToRank[][] = [];
    for (let step = 0; step < 4; step++) {
      await first.take(step);
      steps.push(await other.take(step));
    }
    expect(isDeepStrictEqual(steps.flat(), given)).toBe(true);
    expect(steps.map(({ length }) => length)).toEqual([2, 2, 1, 0]);
  });

  it('are refused in another step than they are for', async () => {
    const [first, other] = job(2, 1).orders as [MailedOrder, MailedOrder];
    await first.take(3);
    await expect(other.take(4)).rejects.toMatchObject({ code: 'ERR_RANKS_DIVERGED', details: { step: 4, of: 3 } });
  });

  it('are waited for until the first process is lost, or is late', async () => {
    const { orders, seen } = job(2, 1, 30);
    const other = orders[1] as MailedOrder;
    await expect(other.take(0)).rejects.toMatchObject({ code: 'ERR_COLLECTIVE_TIMEOUT' });
    seen.ended = new LockstepError('ERR_RANK_LOST', 'rank 0 is lost');
    await expect(other.take(0)).rejects.toBe(seen.ended);
  });

  it('are answered by reports, which the first process passes on', () => {
    const { orders, reports } = job(4, 2);
    const report = (seen: number): FromRank => {
      return { kind: 'step', seen, running: 0, waiting: 0, tokens: Int32Array.of(1, 2, 0) };
    };
    const [first, , other] = orders as [MailedOrder, MailedOrder, MailedOrder];
    other.report(report(1));
    other.report(report(2));
    first.report(report(3));
    first.poll();
    expect(reports).toEqual([
      [0, report(3)],
      [1, report(1)],
      [1, report(2)],
    ]);
  });
});
