import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';

const timing = new URL('../../dist/timing.js', import.meta.url).href;

/** What a thread says that takes turns as a browser does, which has no `setImmediate`, and whose timers must not be needed. */
async function said(program: string): Promise<unknown> {
  const thread = new Worker(
    `const { parentPort } = require('node:worker_threads');
     delete globalThis.setImmediate;
     globalThis.setTimeout = () => { throw new Error('a timer was started'); };
     import(${JSON.stringify(timing)}).then(async ({ nextTurn }) => { ${program} });`,
    { eval: true },
  );
  try {
    return await new Promise((resolve, reject) => {
      thread.on('message', resolve);
      thread.on('error', reject);
      thread.postMessage('from another thread');
    });
  } finally {
    await thread.terminate();
  }
}

describe('the next turn of a browser', () => {
  test('comes without a timer, in the order that turns were asked for', async () => {
    const order = await said(`
      const order = [];
      await Promise.all([1, 2, 3].map((turn) => nextTurn().then(() => order.push(turn))));
      for (let turn = 0; turn < 1000; turn++) await nextTurn();
      parentPort.postMessage(order);`);
    expect(order).toEqual([1, 2, 3]);
  });

  test('lets the messages of other threads in', async () => {
    const heard = await said(`
      let heard = null;
      parentPort.on('message', (text) => { heard = text; });
      while (heard === null) await nextTurn();
      parentPort.postMessage(heard);`);
    expect(heard).toBe('from another thread');
  });
});
