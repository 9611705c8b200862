import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import {
  createPlanner,
  decodePlan,
  LOCKSTEP_POLICY,
  LockstepError,
  type StepPlanner,
} from '../../../dist/entry/planner.js';
import { decodeRecording, openRecorder, readRecording } from '../../../dist/entry/run.js';
import { VOTE_WORDS } from '../../../dist/layout/index.js';
import { HEADER_ROOM, HEADER_WORDS, RECORD_WORDS } from '../../../dist/recorder/recording-layout.js';
import { StepRecorder } from '../../../dist/recorder/step-recorder.js';
import { hashDecisionPlain } from '../../oracles/seal-oracle.js';
import { root } from '../../support/cli.js';
import { runs } from '../../support/property-runs.js';

const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-recorder-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const fixture = path.join(root, 'test/fixtures/recorder/killed.mjs');
const limits = { maxNumSeqs: 4, maxNumBatchedTokens: 16, maxModelLen: 64, blockSize: 4, numBlocks: 32, queryLen: 1 };
const plan = decodePlan({ sizes: [1, 2, 4], limits, policy: LOCKSTEP_POLICY });

/** Takes a step of a planner alone as a rank does, as far as `until`. Returns the row that it voted. */
function step(planner: StepPlanner, recorder: StepRecorder, sequence: number, until = 'launched'): Int32Array {
  const row = planner.vote().slice();
  recorder.voted(sequence);
  if (until === 'voted') return row;
  recorder.gathered();
  if (until === 'gathered') return row;
  planner.build(planner.resolve(planner.table));
  recorder.built();
  if (until === 'launched') recorder.launched({ inGraphs: 2 * sequence, eager: 1 });
  return row;
}

describe('a recorder', () => {
  it('keeps the last steps: votes, tables, decisions and collectives, oldest first', async () => {
    using planner = await createPlanner({ limits, plan });
    const file = path.join(folder, 'new', 'rank-0.rec');
    const recorder = openRecorder({ planner, path: file, steps: 4 });
    expect([recorder.persistent, recorder.reason]).toEqual([true, null]);
    const rows: Int32Array[] = [];
    const hashes: number[] = [];
    for (let sequence = 1; sequence <= 11; sequence++) {
      rows.push(step(planner, recorder, sequence));
      hashes.push(hashDecisionPlain(planner.decision.words));
      const { begun, records, ...about } = await readRecording(file);
      expect(begun).toBe(sequence);
      expect(about).toMatchObject({ rank: 0, ranks: 1, processId: process.pid, planHash: planner.planHash });
      const first = Math.max(0, sequence - 4);
      expect(records.map(({ step, sequence: at }) => [step, at])).toEqual(
        rows.slice(first).map((_, index) => [first + index, first + index + 1]),
      );
      for (const [index, record] of records.entries()) {
        const at = first + index;
        expect(record).toMatchObject({ state: 'launched', error: null, run: 'park', decisionHash: hashes[at] });
        expect(record.collectives).toEqual({ inGraphs: 2 * (at + 1), eager: 1 });
        expect(record.row).toEqual(rows[at]);
        expect(record.table).toEqual(rows[at]);
      }
    }
    expect(recorder.bytes()).toEqual(new Uint8Array(readFileSync(file)));
  });

  it('says how far a step came, and the first error that ended it', async () => {
    using planner = await createPlanner({ limits, plan });
    const recorder = openRecorder({ planner, path: null });
    expect([recorder.persistent, recorder.reason]).toEqual([false, 'no file was asked for']);
    const last = () => decodeRecording(recorder.bytes(), 'memory').records.at(-1);
    recorder.failed('ERR_INPUT_INVALID', 1);
    expect(last()).toBeUndefined();
    for (const [index, state] of ['voted', 'gathered', 'built'].entries()) {
      step(planner, recorder, index + 1, state);
      expect(last()).toMatchObject({ state, error: null, sequence: index + 1 });
      // In the first, the rank never entered the all-gather.
      recorder.failed('ERR_COLLECTIVE_TIMEOUT', index);
      recorder.failed('ERR_RANK_LOST', index + 1);
      expect(last()).toMatchObject({ state, error: 'ERR_COLLECTIVE_TIMEOUT', refused: true });
      expect(last()?.table === null).toBe(state === 'voted');
      expect(last()?.decisionHash === null).toBe(state !== 'built');
      planner.abandon();
    }
    const row = planner.requests.add({ blockIds: [1] });
    planner.requests.schedule(row, { phase: 'decode', queryLen: 1 });
    step(planner, recorder, 9);
    // It ended: an error before the next vote is none of this step, unless that waited in a park.
    recorder.failed('ERR_ABORTED', 9);
    expect(last()).toMatchObject({ state: 'launched', run: 'full', error: null });
    step(planner, recorder, 10);
    // A wait that its caller ends does not end the park.
    recorder.failed('ERR_ABORTED', 10);
    expect(last()).toMatchObject({ state: 'launched', run: 'park', error: null });
    // It has entered an all-gather since.
    recorder.failed('ERR_RANK_LOST', 11);
    expect(last()).toMatchObject({ state: 'launched', run: 'park', error: 'ERR_RANK_LOST', refused: false });
  });

  it('describes the plan that its last votes were cast under', async () => {
    using planner = await createPlanner({ limits, plan });
    const recorder = openRecorder({ planner, path: null });
    step(planner, recorder, 1);
    planner.keepKeys([0]);
    step(planner, recorder, 2);
    const { document, planHash } = decodeRecording(recorder.bytes(), 'memory');
    expect(planHash).toBe(planner.planHash);
    expect(document).toEqual({
      limits: planner.limits,
      policy: planner.policy,
      keys: planner.plan.keys,
      replicaSize: 1,
    });
  });

  it('says how far the last capture came, and what ended it', async () => {
    using planner = await createPlanner({ limits, plan });
    const recorder = openRecorder({ planner, path: null });
    const read = () => decodeRecording(recorder.bytes(), 'memory');
    expect(read().capture).toBeNull();
    recorder.agrees('keys', 0, 1);
    const keys = { stage: 'keys', key: null, step: 0, sequence: 1, state: 'voted', refused: false, error: null };
    expect(read().capture).toEqual(keys);
    // Lists of keys took three all-gathers more.
    recorder.captureFailed('ERR_RANK_LOST', 4);
    expect(read().capture).toEqual({ ...keys, sequence: 4, error: 'ERR_RANK_LOST' });
    recorder.agrees('keys', 0, 5);
    recorder.captureFailed('ERR_DEVICE_LOST', 4);
    expect(read().capture).toEqual({ ...keys, sequence: 5, refused: true, error: 'ERR_DEVICE_LOST' });
    for (const [index, stage] of (['warm-up', 'capture', 'held'] as const).entries()) {
      recorder.agrees(stage, 2, index + 6);
      const about = { ...keys, stage, key: 2, sequence: index + 6 };
      expect(read().capture).toEqual(about);
      recorder.agreed();
      expect(read().capture).toEqual({ ...about, state: 'gathered' });
    }
    recorder.captured();
    expect(read()).toMatchObject({ begun: 0, records: [], capture: { state: 'launched', sequence: 8, error: null } });
    // A step changes nothing in it, and a file that was written without it has none.
    step(planner, recorder, 9);
    expect(read()).toMatchObject({ begun: 1, capture: { state: 'launched', sequence: 8 } });
    const words = new Int32Array(recorder.bytes().buffer).fill(0, HEADER_WORDS.indexOf('begunHigh'), HEADER_ROOM);
    expect(decodeRecording(new Uint8Array(words.buffer), 'former')).toMatchObject({ begun: 1, capture: null });
  });

  it('finds its records where the count of steps has wrapped, whatever its ring holds', async () => {
    using planner = await createPlanner({ limits, plan });
    for (const slots of [1, 3, 8, 10]) {
      const recorder = new StepRecorder(planner, null, slots, 0, 2 ** 32 - 5);
      for (let count = 1; count <= 20; count++) {
        step(planner, recorder, count);
        const { begun, records } = decodeRecording(recorder.bytes(), 'memory');
        expect(begun).toBe(2 ** 32 - 5 + count);
        const kept = Math.min(count, slots);
        expect(records.map(({ sequence }) => sequence)).toEqual(
          Array.from({ length: kept }, (_, index) => count - kept + index + 1),
        );
      }
    }
  });

  it('has a file to itself: another of the same name is refused, and what is in it stays', async () => {
    using planner = await createPlanner({ limits, plan });
    const file = path.join(folder, 'mine.rec');
    const recorder = openRecorder({ planner, path: file, steps: 4 });
    step(planner, recorder, 1);
    const before = readFileSync(file);
    for (const name of [file, path.join(folder, 'link.rec')]) {
      if (name !== file) symlinkSync(file, name);
      expect(() => openRecorder({ planner, path: name })).toThrow(/another run writes it/);
    }
    expect(readFileSync(file)).toEqual(before);
    expect(recorder.persistent).toBe(true);
  });

  it.each([
    ['a folder', () => folder, 'cannot be opened'],
    ['a device', () => '/dev/null', 'no regular file'],
    ['a place below a file', () => path.join(fixture, 'below.rec'), 'cannot be made'],
    ['a path with an end in it', () => path.join(folder, 'a\0b'), 'path'],
  ])('is refused %s', async (_what, name, message) => {
    using planner = await createPlanner({ limits, plan });
    expect(() => openRecorder({ planner, path: name() })).toThrow(LockstepError);
    expect(() => openRecorder({ planner, path: name() })).toThrow(message);
  });

  it.each([0, -1, 1.5, 2 ** 20 + 1, '8' as unknown as number])('keeps 1 to 2^20 steps, not %s', async (steps) => {
    using planner = await createPlanner({ limits, plan });
    expect(() => openRecorder({ planner, path: null, steps })).toThrow(/A recorder keeps/);
  });

  it.each([
    ['gather', 'voted', 12],
    ['before', 'launched', 11],
  ])('can be read after its process was killed: %s', async (where, state, last) => {
    const file = path.join(folder, `${where}.rec`);
    const { signal } = spawnSync(process.execPath, [fixture, file, '12', where], { cwd: root });
    expect(signal).toBe('SIGKILL');
    const { records, begun, document } = await readRecording(file);
    expect(begun).toBe(last + 1);
    expect(records).toHaveLength(8);
    expect(records.at(-1)).toMatchObject({ step: last, state });
    expect(document?.keys).toHaveLength(3);
    // Its lock went with it.
    using planner = await createPlanner({ limits, plan });
    openRecorder({ planner, path: file });
    expect((await readRecording(file)).begun).toBe(0);
  });
});

describe('a recording', () => {
  it('that is damaged is read as what is left of it, or refused', async () => {
    using planner = await createPlanner({ limits, plan });
    const recorder = openRecorder({ planner, path: null, steps: 4 });
    for (let sequence = 1; sequence < 7; sequence++) step(planner, recorder, sequence);
    const bytes = recorder.bytes();
    const damage = fc.array(fc.tuple(fc.oneof(fc.nat(63), fc.nat(bytes.length - 1)), fc.nat(255)), { maxLength: 6 });
    let refused = 0;
    let read = 0;
    const attempt = (wrong: Uint8Array): void => {
      try {
        const recording = decodeRecording(wrong, 'damaged');
        expect(recording.records.length).toBeLessThanOrEqual(4);
        read++;
      } catch (error) {
        if (!(error instanceof LockstepError)) throw error;
        expect(error.code).toBe('ERR_INPUT_INVALID');
        refused++;
      }
    };
    for (const [at, value] of bytes.entries()) {
      bytes[at] = 0x55;
      attempt(bytes);
      bytes[at] = value;
    }
    fc.assert(
      fc.property(damage, fc.nat(bytes.length), fc.boolean(), (changes, length, cut) => {
        const wrong = bytes.slice(0, cut ? length : undefined);
        for (const [at, value] of changes) if (at < wrong.length) wrong[at] = value;
        attempt(wrong);
      }),
      runs(2000),
    );
    expect(refused).toBeGreaterThan(10);
    expect(read).toBeGreaterThan(10);
  });

  it('that holds a run or a vote that cannot be is read with what else it says', async () => {
    using planner = await createPlanner({ limits, plan });
    const recorder = openRecorder({ planner, path: null, steps: 4 });
    for (let sequence = 1; sequence < 3; sequence++) step(planner, recorder, sequence);
    const bytes = recorder.bytes();
    const words = new Int32Array(bytes.buffer);
    const ring = words[HEADER_WORDS.indexOf('ringOffset')] / 4;
    const record = words[HEADER_WORDS.indexOf('recordWords')];
    const control = RECORD_WORDS.length + VOTE_WORDS.indexOf('control');
    for (const at of [ring + RECORD_WORDS.indexOf('run'), ring + record + control]) {
      const damaged = words.with(at, 77);
      const { records } = decodeRecording(new Uint8Array(damaged.buffer), 'damaged');
      expect(records.map(({ sequence, run }) => [sequence, run])).toEqual([
        [1, at < ring + record ? null : 'park'],
        [2, 'park'],
      ]);
    }
    expect(decodeRecording(bytes, 'whole').records).toHaveLength(2);
  });

  it('says whether it ended, and which run it is of; one of version 1 says neither', async () => {
    using planner = await createPlanner({ limits, plan });
    const file = path.join(folder, 'ended.rec');
    const recorder = openRecorder({ planner, path: file, run: -7 });
    step(planner, recorder, 1);
    expect(await readRecording(file)).toMatchObject({ run: -7, ended: false, begun: 1 });
    recorder[Symbol.dispose]();
    step(planner, recorder, 2);
    expect(await readRecording(file)).toMatchObject({ run: -7, ended: true, begun: 1 });
    expect(HEADER_WORDS.length).toBeLessThanOrEqual(HEADER_ROOM);
    const unsaid = openRecorder({ planner, path: null });
    expect(decodeRecording(unsaid.bytes(), 'unsaid')).toMatchObject({ run: null, ended: false });
    const words = new Int32Array(recorder.bytes().buffer).with(HEADER_WORDS.indexOf('version'), 1);
    expect(decodeRecording(new Uint8Array(words.buffer), 'former')).toMatchObject({ run: null, ended: null, begun: 2 });
    for (const run of [0.5, 2 ** 31, '1'])
      expect(() => openRecorder({ planner, path: null, run: run as number })).toThrow(/int32/);
  });

  it('is read from a regular file alone, no further than its header says, until a signal', async () => {
    using planner = await createPlanner({ limits, plan });
    const bytes = openRecorder({ planner, path: null, steps: 4 }).bytes();
    const pipe = path.join(folder, 'pipe.rec');
    spawnSync('mkfifo', [pipe]);
    const zeros = path.join(folder, 'zeros.rec');
    symlinkSync('/dev/zero', zeros);
    for (const file of [pipe, zeros, folder]) await expect(readRecording(file)).rejects.toThrow('no regular file');
    // 1 TiB, without a block on the disk.
    const long = path.join(folder, 'long.rec');
    writeFileSync(long, bytes);
    truncateSync(long, 2 ** 40);
    expect(await readRecording(long)).toEqual({ ...decodeRecording(bytes, long) });
    // One slot more than any recorder keeps.
    const words = new Int32Array(bytes.buffer).with(HEADER_WORDS.indexOf('slots'), 2 ** 20 + 1);
    writeFileSync(long, new Uint8Array(words.buffer));
    truncateSync(long, 2 ** 40);
    await expect(readRecording(long)).rejects.toThrow('what cannot be');
    const signal = AbortSignal.abort();
    await expect(readRecording(long, { signal })).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });

  it('counts up to 2^32 milliseconds, collectives and seconds', async () => {
    using planner = await createPlanner({ limits, plan });
    const recorder = openRecorder({ planner, path: null, steps: 4 });
    const { now } = performance;
    const later = now.bind(performance);
    performance.now = () => later() + 2 ** 31 + 5000;
    try {
      planner.vote();
      recorder.voted(1);
    } finally {
      performance.now = now;
    }
    recorder.gathered();
    planner.build(planner.resolve(planner.table));
    recorder.built();
    recorder.launched({ inGraphs: 2 ** 31, eager: 2 ** 32 - 1 });
    const words = new Int32Array(recorder.bytes().buffer).with(HEADER_WORDS.indexOf('startedSeconds'), -(2 ** 31));
    const { startedSeconds, records } = decodeRecording(new Uint8Array(words.buffer), 'memory');
    expect(startedSeconds).toBe(2 ** 31);
    expect(records[0]?.milliseconds).toBeGreaterThan(2 ** 31);
    expect(records[0]?.collectives).toEqual({ inGraphs: 2 ** 31, eager: 2 ** 32 - 1 });
  });

  it('of nothing, of something else or cut short is refused', async () => {
    const file = path.join(folder, 'other.rec');
    writeFileSync(file, '{"rows":[]}\n'.repeat(50));
    await expect(readRecording(file)).rejects.toThrow('does not begin as one');
    await expect(readRecording(path.join(folder, 'absent.rec'))).rejects.toThrow('cannot be read');
    using planner = await createPlanner({ limits, plan });
    const whole = path.join(folder, 'whole.rec');
    writeFileSync(whole, openRecorder({ planner, path: null }).bytes());
    truncateSync(whole, statSync(whole).size - 4);
    await expect(readRecording(whole)).rejects.toThrow('cut short');
  });
});
