import { useEffect, useRef, useState } from 'preact/hooks';
import { type Client, JobError } from './client.js';
import type { JobName, JobProgress, Jobs } from './worker/messages.js';

/** What is known of a question: the last answer stays until there is another. */
export interface Asking<N extends JobName> {
  readonly answer: Jobs[N]['answer'] | null;
  readonly fault: string | null;
  readonly progress: JobProgress | null;
  /** Whether what is known is of an earlier question, and this one is not answered yet. */
  readonly busy: boolean;
}

/** What is known, and of which question it is. */
interface Known<N extends JobName> extends Omit<Asking<N>, 'busy'> {
  readonly of: readonly unknown[] | null;
}

/** What a question is about. */
export interface About {
  /** Asked for at once. */
  readonly subject: unknown;
  /** Asked for when they have rested for `restMs`: a slider asks when it stops. */
  readonly settings?: unknown;
  readonly restMs?: number;
}

/** Asks whenever the subject or the settings change. */
export function useAnswer<N extends JobName>(
  client: Client,
  job: N,
  ask: Jobs[N]['ask'],
  { subject, settings, restMs = 0 }: About,
): Asking<N> {
  const when = [subject, settings];
  const asked = useRef<{ readonly subject: unknown } | null>(null);
  const [known, setKnown] = useState<Known<N>>({ answer: null, fault: null, progress: null, of: null });
  useEffect(() => {
    const waitMs = asked.current?.subject === subject ? restMs : 0;
    asked.current = { subject };
    let current = true;
    const show = (progress: JobProgress): void => {
      if (current) setKnown((before) => ({ ...before, progress }));
    };
    const timer = setTimeout(() => {
      client.ask(job, ask, show).then(
        (answer) => {
          if (current) setKnown({ answer, fault: null, progress: null, of: when });
        },
        (error: unknown) => {
          if (!current || (error instanceof JobError && error.code === 'ERR_ABORTED')) return;
          const fault = error instanceof Error ? error.message : String(error);
          setKnown((before) => ({ ...before, fault, progress: null, of: when }));
        },
      );
    }, waitMs);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, when);
  const { of, ...rest } = known;
  return { ...rest, busy: of === null || when.some((part, index) => part !== of[index]) };
}
