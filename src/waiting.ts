/** One wait of some work, in both forms. Only one of them is called, once. */
export interface Wait {
  /** Blocks the thread. */
  sync(): void;
  /** Leaves the event loop free. */
  async(): Promise<void>;
}

/**
 * Work that is written once and can be done in both forms: it yields its waits, and goes on after each, or with what the wait threw.
 * Between two waits it runs to the next without a break, so nothing else of this thread comes in between.
 */
export type Waiting<T> = Generator<Wait, T, void>;

/** Does the work, blocking the thread in its waits. Returns what it returns, and throws what it throws. */
export function runWaitingSync<T>(work: Waiting<T>): T {
  let next = work.next();
  while (next.done !== true) {
    try {
      next.value.sync();
    } catch (error) {
      next = work.throw(error);
      continue;
    }
    next = work.next();
  }
  return next.value;
}

/**
 * The same without blocking the event loop. `look` is called after each wait, for what came about in it: what it throws, the wait
 * throws.
 */
export async function runWaiting<T>(work: Waiting<T>, look: () => void = () => {}): Promise<T> {
  let next = work.next();
  while (next.done !== true) {
    try {
      await next.value.async();
      look();
    } catch (error) {
      next = work.throw(error);
      continue;
    }
    next = work.next();
  }
  return next.value;
}
