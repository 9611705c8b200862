import { describe, expect, it } from 'vitest';
import { RequestTable } from '../../../dist/entry/workload.js';
import { KvLedger } from '../../../dist/run/kv-ledger.js';
import { KvVerifier } from '../../../dist/run/kv-verifier.js';

describe('verification', () => {
  it('finds a single wrong entry and says where', () => {
    const table = RequestTable.from([
      { arrivalMs: 0, inputTokens: 6, outputTokens: 4, hashIds: null },
      { arrivalMs: 0, inputTokens: 5, outputTokens: 4, hashIds: null },
    ]);
    const ledger = new KvLedger(table);
    const chunks = [0, 1].map((request) => ({
      request,
      phase: 'prefill' as const,
      start: 0,
      queryLen: 5,
      lastChunk: true,
      advance: 5,
    }));
    for (const chunk of chunks) {
      ledger.add(chunk.request, 0);
      ledger.write(chunk, 0);
    }
    const memory = Int32Array.from([...ledger.history(0).subarray(0, 5), ...ledger.history(1).subarray(0, 5)]);
    const cache = { capacity: 100, read: (begin: number, end: number) => memory.subarray(begin * 5, end * 5) };
    const schedule = { removed: [], added: [], appended: [], scheduled: chunks };
    const verify = (order = [0, 1]): KvVerifier => {
      const verifier = new KvVerifier(cache as never, ledger, { mode: 'full', seed: 0, timeoutMs: 1000 });
      verifier.check(schedule, { order: Int32Array.from(order) }, 3);
      return verifier;
    };
    expect(verify()).toMatchObject({ mismatches: 0, compared: 10 });
    // Of the batch's rows the second is a slot left over, without tokens; read at once, then a request at a time.
    const rows = [memory.slice(0, 5), new Int32Array(), memory.slice(5)];
    for (const capacity of [100, 5]) {
      const read = (begin: number, end: number) =>
        Int32Array.from(rows.slice(begin, end).flatMap((row) => Array.from(row)));
      const spread = new KvVerifier({ capacity, read } as never, ledger, { mode: 'full', seed: 0, timeoutMs: 1000 });
      spread.check(schedule, { order: Int32Array.of(0, -1, 1) }, 3);
      expect(spread).toMatchObject({ mismatches: 0, compared: 10 });
    }
    memory[7] += 1;
    const found = verify();
    expect(found.mismatches).toBe(1);
    expect(found.first[0]).toMatchObject({
      step: 3,
      request: 1,
      position: 2,
      expected: memory[7] - 1,
      found: memory[7],
    });
  });
});
