import type { Asked, JobFault, JobName, JobProgress, Jobs, Told } from './worker/messages.js';

/** A job that the worker could not do. */
export class JobError extends Error {
  readonly code: string;

  constructor({ code, message }: JobFault) {
    super(message);
    this.code = code;
  }
}

interface Waiting {
  resolve(answer: never): void;
  reject(error: JobError): void;
  show(progress: JobProgress): void;
}

/** Asks the worker, which does one thing of a kind at a time: who asks again for the same kind no longer wants the first. */
export class Client {
  readonly #worker = new Worker(new URL('./worker/planner.ts', import.meta.url), { type: 'module' });
  readonly #waiting = new Map<number, Waiting>();
  readonly #latest = new Map<JobName, number>();
  #next = 1;

  constructor() {
    this.#worker.addEventListener('message', ({ data }: MessageEvent<Told>) => this.#hear(data));
    this.#worker.addEventListener('error', ({ message }) => this.#fail(message || 'the planner could not be loaded'));
  }

  /** Rejects with a `JobError`: of code ERR_ABORTED where the same kind was asked again. */
  ask<N extends JobName>(
    job: N,
    ask: Jobs[N]['ask'],
    show: (progress: JobProgress) => void = () => undefined,
  ): Promise<Jobs[N]['answer']> {
    const before = this.#latest.get(job);
    if (before !== undefined && this.#waiting.has(before)) this.#abort(before);
    const id = this.#next++;
    this.#latest.set(job, id);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject, show });
      this.#post({ id, job, ask });
    });
  }

  #abort(id: number): void {
    this.#post({ id, abort: true });
    this.#end(id)?.reject(new JobError({ code: 'ERR_ABORTED', message: 'another was asked for' }));
  }

  #post(asked: Asked): void {
    this.#worker.postMessage(asked);
  }

  #hear(told: Told): void {
    if ('progress' in told) this.#waiting.get(told.id)?.show(told.progress);
    else if ('fault' in told) this.#end(told.id)?.reject(new JobError(told.fault));
    else this.#end(told.id)?.resolve(told.answer as never);
  }

  #end(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }

  #fail(message: string): void {
    for (const id of [...this.#waiting.keys()]) this.#end(id)?.reject(new JobError({ code: 'ERR_INTERNAL', message }));
  }
}
