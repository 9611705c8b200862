import { useEffect, useState } from 'preact/hooks';
import { type Client, JobError } from './client.js';
import type { JobName, JobProgress, Jobs } from './worker/messages.js';

/** What is known of a question: the last answer stays until there is another. */
export interface Asking<N extends JobName> {
  readonly answer: Jobs[N]['answer'] | null;
  readonly fault: string | null;
  /** How far it is; null where nothing is asked. */
  readonly progress: JobProgress | null;
}

/** Asks whenever one of `when` changes, once it has rested for `restMs`: a slider asks when it stops. */
export function useAnswer<N extends JobName>(
  client: Client,
  job: N,
  ask: Jobs[N]['ask'] | null,
  when: readonly unknown[],
  restMs: number,
): Asking<N> {
  const [state, setState] = useState<Asking<N>>({ answer: null, fault: null, progress: null });
  useEffect(() => {
    if (ask === null) return;
    let current = true;
    const show = (progress: JobProgress): void => {
      if (current) setState((before) => ({ ...before, progress }));
    };
    show({ phase: 'waiting', share: null });
    const timer = setTimeout(() => {
      client.ask(job, ask, show).then(
        (answer) => {
          if (current) setState({ answer, fault: null, progress: null });
        },
        (error: unknown) => {
          if (!current || (error instanceof JobError && error.code === 'ERR_ABORTED')) return;
          const fault = error instanceof Error ? error.message : String(error);
          setState((before) => ({ ...before, fault, progress: null }));
        },
      );
    }, restMs);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, when);
  return state;
}
