import { describe, expect, it } from 'vitest';
import { SYSTEM_TIMING } from '../../dist/timing.js';
import { COLLECTIVE_WAIT, DEVICE_WAIT, Deadline, SLICE_MS, throwIfAborted, timeoutOf } from '../../dist/wait.js';
import { errorOf } from '../support/device-fixture.js';

describe('a timeout', () => {
  it('has a default of each kind of call', () => {
    for (const options of [undefined, {}]) {
      expect(timeoutOf(options, COLLECTIVE_WAIT)).toBe(30_000);
      expect(timeoutOf(options, DEVICE_WAIT)).toBe(60_000);
    }
  });

  it.each([0, Number.POSITIVE_INFINITY])(
    'of %d is for devices only: no rank may hold its peers for ever',
    (timeoutMs) => {
      expect(timeoutOf({ timeoutMs }, DEVICE_WAIT)).toBe(timeoutMs);
      const { details } = errorOf('ERR_INPUT_INVALID', () => timeoutOf({ timeoutMs }, COLLECTIVE_WAIT));
      expect(details).toEqual({ name: 'timeoutMs', value: String(timeoutMs), options: ['timeoutMs'] });
    },
  );

  it.each([-1, Number.NaN, '5', null, {}])('of %o is refused of both', (timeoutMs) => {
    for (const rule of [COLLECTIVE_WAIT, DEVICE_WAIT]) {
      errorOf('ERR_INPUT_INVALID', () => timeoutOf({ timeoutMs: timeoutMs as number }, rule));
    }
  });
});

describe('a deadline', () => {
  let now = 0;
  const made = (): Deadline => new Deadline({ ...SYSTEM_TIMING, now: () => now });

  it('gives slices of 50 ms, then what is left, then 0', () => {
    const deadline = made().start(120);
    const slices: number[] = [];
    for (let ms = deadline.slice(); ms > 0; ms = deadline.slice()) {
      slices.push(ms);
      now += ms;
    }
    expect(slices).toEqual([SLICE_MS, SLICE_MS, 20]);
    now += 1000;
    expect(deadline.slice()).toBe(0);
    expect(deadline.timeoutMs).toBe(120);
  });

  it('does not count a pause of the process, and gives a slice after it', () => {
    const deadline = made().start(1000);
    /** Waits for so many milliseconds, slice by slice. */
    const wait = (ms: number): void => {
      const end = now + ms;
      for (let slice = deadline.slice(); now < end && slice > 0; slice = deadline.slice())
        now += Math.min(slice, end - now);
    };
    for (let pause = 0; pause < 2; pause++) {
      wait(300);
      now += 3_600_000;
    }
    wait(350);
    expect(deadline.slice()).toBeCloseTo(50, 3);
    // In the last slice: what is left of it would be too short for those that were stopped too.
    deadline.start(1000);
    wait(990);
    expect(deadline.slice()).toBeCloseTo(10, 3);
    now += 5 + 3_600_000;
    expect(deadline.slice()).toBe(SLICE_MS);
    now += SLICE_MS;
    expect(deadline.slice()).toBe(0);
    now += 3_600_000;
    expect(deadline.slice()).toBe(0);
  });

  it.each([60, 150, 250])('is exact where every look comes after %d ms', (ms) => {
    const deadline = made().start(1000);
    const start = now;
    while (deadline.slice() > 0) now += ms;
    expect(now - start).toBe(Math.ceil(1000 / ms) * ms);
  });

  it('ends for a thread whose every look is late, and at once where it is 0', () => {
    const deadline = made().start(1000);
    let looks = 0;
    for (; deadline.slice() > 0; looks++) now += 300;
    expect(looks).toBe(2 + Math.ceil(1000 / 300));
    deadline.start(0);
    now += 3_600_000;
    expect(deadline.slice()).toBe(0);
  });

  it('of Infinity never comes', () => {
    const deadline = made().start(Number.POSITIVE_INFINITY);
    now += 1e12;
    expect(deadline.slice()).toBe(SLICE_MS);
  });

  it('starts again for the next wait', () => {
    const deadline = made().start(10);
    now += 10;
    expect(deadline.slice()).toBe(0);
    expect(deadline.start(30).slice()).toBe(30);
  });
});

it('an aborted signal gives its reason as the cause', () => {
  const reason = new Error('enough');
  throwIfAborted(undefined, 'before it began');
  throwIfAborted(new AbortController().signal, 'before it began');
  const error = errorOf('ERR_ABORTED', () => throwIfAborted(AbortSignal.abort(reason), 'before it began', { rank: 1 }));
  expect(error.cause).toBe(reason);
  expect(error.message).toBe('The signal was aborted before it began.');
  expect(error.details).toEqual({ rank: 1 });
});
